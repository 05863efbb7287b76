"""Sums of numpy arrays by mpi4py: python3 links no MPI, it loads one when this is imported."""
import numpy
from mpi4py import MPI

world = MPI.COMM_WORLD
ranks, rank = world.Get_size(), world.Get_rank()
for count in (1, 1000, 100000, 1000000):
    source = numpy.arange(count, dtype="d") % 100 + rank
    result = numpy.empty(count)
    right = numpy.arange(count, dtype="d") % 100 * ranks + ranks * (ranks - 1) // 2
    world.Allreduce(source, result, op=MPI.SUM)
    assert (result == right).all()
    world.Allreduce(MPI.IN_PLACE, source, op=MPI.SUM)
    assert (source == right).all()
print("numpy is right")
