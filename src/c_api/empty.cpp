// The shared library is made of the layers' archives; CMake wants one source file of its own.
