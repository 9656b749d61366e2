"""The calls of a run without the suite: both frameworks imported in one process, one after another.

    python benchmarks/bare.py requests.json

What stays is what an engineer would write who only wants the numbers: no workers, no judge, no
report. The adapters are used as modules and make every call one by one: none of the shortcuts of a
run, each optimizer with graphs of its own.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "harness" / "adapters"))


def main() -> None:
    import mindspore_adapter
    import torch_adapter

    adapters = {"torch": torch_adapter, "mindspore": mindspore_adapter}
    for framework, request in json.loads(Path(sys.argv[1]).read_text()):
        request["one_by_one"] = True
        try:
            adapters[framework].run(request, lambda name, rates: None)
        except Exception as error:
            print(f"{request['api']}: {type(error).__name__}")


main()
