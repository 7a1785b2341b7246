"""TEMPORARY"""
import ctypes
from pathlib import Path
def require_library(functions):
    lib = ctypes.CDLL(str(Path(__file__).parent / "_kernels.so"))
    for name,(result,arguments) in functions.items():
        f=getattr(lib,name); f.restype, f.argtypes = result, arguments
    return lib
