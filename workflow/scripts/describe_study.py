"""Write down the study as it was read: defaults filled in, assumptions listed."""

from stethoscope.runtime.files import write_json
from stethoscope.runtime.jobs import run


def main(outputs, params) -> None:
    write_json(outputs[0], params.study)


if __name__ == "__main__":
    run(main)
