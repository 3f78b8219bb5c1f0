import platform
import subprocess
import sys

import pytest

REPEATED = """
import resource
from napari_nucseg.network.allocator import hand_back_freed_memory, reuse_freed_memory

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        block = bytearray(100_000_000)
        block[::4096] = b"x" * len(block[::4096])
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

page_faults()
first = page_faults()
reuse_freed_memory()
page_faults()
print(first, page_faults(), resident())
hand_back_freed_memory()
print(resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_is_freed_is_used_again_until_it_is_handed_back():
    said = subprocess.run([sys.executable, "-c", REPEATED], capture_output=True, text=True, check=True).stdout
    before, after, held, left = map(int, said.split())
    assert before > 1000
    assert after < before / 10
    assert left < held - 50_000_000
