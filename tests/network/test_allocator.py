import platform
import subprocess
import sys

import pytest

REPEATED = """
import resource
from napari_nucseg.network.allocator import reuse_freed_memory

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        block = bytearray(100_000_000)
        block[::4096] = b"x" * len(block[::4096])
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

page_faults()
first = page_faults()
assert reuse_freed_memory()
page_faults()
print(first, page_faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_is_freed_is_used_again_without_the_system():
    said = subprocess.run([sys.executable, "-c", REPEATED], capture_output=True, text=True, check=True).stdout
    before, after = map(int, said.split())
    assert before > 1000
    assert after < before / 10
