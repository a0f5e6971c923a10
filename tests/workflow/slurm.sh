#!/usr/bin/env bash
# A real Slurm of one node for tests, all of it in one folder: no systemd, no accounting, nothing in /etc.
#   slurm.sh install        with apt, as root
#   slurm.sh start FOLDER   then SLURM_CONF=FOLDER/slurm.conf and FOLDER/bin first in PATH for whoever uses it
#   slurm.sh stop FOLDER
set -euo pipefail
PATH=$PATH:/usr/sbin

install() {
    command -v slurmctld >/dev/null && return
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm slurm-client munge >/dev/null
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() {
    local d host memory
    d=$(realpath -m "$1") host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    mkdir -p "$d"/{munge,spool,state}
    chmod 755 "$d" "$d/munge"
    (umask 077 && head -c 128 /dev/urandom >"$d/munge/key")
    # One GPU that is none: jobs may ask for it, and get CUDA_VISIBLE_DEVICES.
    echo 'Name=gpu File=/dev/zero' >"$d/gres.conf"
    cat >"$d/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$d/munge/socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# Look for a place for a job at once, not seconds later with others.
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
GresTypes=gpu
SlurmctldPidFile=$d/slurmctld.pid
SlurmdPidFile=$d/slurmd.pid
SlurmctldLogFile=$d/slurmctld.log
SlurmdLogFile=$d/slurmd.log
SlurmdSpoolDir=$d/spool
StateSaveLocation=$d/state
MailProg=/bin/true
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
# Ended jobs stay visible in squeue for the whole test.
MinJobAge=3600
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=$memory Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF=$d/slurm.conf
    # Snakemake takes all of SLURM_* out of a job's environment before it calls srun there.
    mkdir -p "$d/bin"
    printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" >"$d/bin/srun"
    chmod 755 "$d/bin/srun"
    munged --force --socket="$d/munge/socket" --key-file="$d/munge/key" --pid-file="$d/munged.pid" \
        --log-file="$d/munged.log" --seed-file="$d/munge/seed" 2>>"$d/munged.log"
    slurmctld -c
    slurmd
    for _ in $(seq 60); do
        [ "$(sinfo -h -o %T 2>/dev/null)" = idle ] && return
        sleep 0.5
    done
    echo "no idle node after 30 s" >&2
    cat "$d"/*.log >&2
    exit 1
}

stop() {
    local d name pid
    d=$(realpath -m "$1")
    export SLURM_CONF=$d/slurm.conf
    scancel --quiet --user "$(id -un)" 2>/dev/null || true
    for _ in $(seq 30); do # until what still ran has ended
        [ -z "$(squeue -h 2>/dev/null)" ] && break
        sleep 0.5
    done
    for name in slurmd slurmctld munged; do
        pid=$(cat "$d/$name.pid" 2>/dev/null) && kill "$pid" || true
    done
}

"$@"
