"""Expressions over arrays of 1 to 16 MiB, whose temporaries come and go; prints what came out."""
import hashlib

import numpy

random = numpy.random.default_rng(7)
for mib in (1, 2, 5, 16):
    a = random.random(mib << 17)
    b = random.random(mib << 17)
    for step in range(12):
        a = numpy.sqrt(a * a + b) - 0.25 * b
        b = numpy.where(a > b, a - b, b) + numpy.roll(a, step)
        c = numpy.zeros(len(a))
        c[:: step + 1] = a[:: step + 1]
        b = b / (1 + c.max())
    order = numpy.argsort(a)
    print(mib, a.sum(), b.sum(), hashlib.sha256(a[order].tobytes() + b.tobytes()).hexdigest())
grown = bytearray()
for step in range(400):
    grown += bytes([step % 256]) * 10007
print(hashlib.sha256(grown).hexdigest())
