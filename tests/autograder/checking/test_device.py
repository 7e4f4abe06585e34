import subprocess
import sys

CODE = """
import sys
from autograder.checking.device import device_mode, to_device
import torch
with device_mode():
    doubled = to_device(torch.ones(3)) * 2
assert doubled.device.type == "cuda"
print("torch.distributed.tensor" in sys.modules, "sympy" in sys.modules)
"""


def test_first_operation_on_the_pretend_gpu_imports_no_distributed_torch():
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
