"""The command line: ``python -m mgpu_lab verify | plan``.

Exit status: 0 where all is well (the course can run, the plan fits), 1 where it is not, 2 for a command that is not
understood.
"""

import argparse
import json
import sys

from mgpu_lab.planner import command
from mgpu_lab.verification import example, examples, load, verify
from mgpu_lab.wire.errors import LabError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = _parser()
    options, left = parser.parse_known_args(arguments)
    try:
        if left and options.command == "plan":
            command.refuse_left(options, left)
        if left:
            parser.error(f"unrecognized arguments: {' '.join(left)}")
        return int(options.run(options))
    except LabError as error:
        print(f"mgpu_lab {options.command}: {error}", file=sys.stderr)
        return 2


def _verify(options: argparse.Namespace) -> int:
    machine = example(options.example) if options.example else load(options.load) if options.load else None
    report = verify(machine, timeout_s=options.timeout)
    print(json.dumps(report.to_data(), indent=1) if options.json else report)
    return 0 if report.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mgpu_lab")
    commands = parser.add_subparsers(dest="command", required=True, metavar="verify | plan")
    check = commands.add_parser("verify", help="say what this machine has, and what keeps the course from running")
    source = check.add_mutually_exclusive_group()
    source.add_argument("--example", metavar="NAME", help=f"judge a made-up machine: {', '.join(examples())}")
    source.add_argument("--load", metavar="FILE", help="judge the machine in a file that --json wrote")
    check.add_argument("--json", action="store_true", help="print the report and its facts as JSON")
    check.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds that torch may take (120)")
    check.set_defaults(run=_verify)
    command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
