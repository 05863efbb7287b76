! Sums through mpif.h: old Fortran, which calls the MPI's Fortran library.
program fortran_mpif
    implicit none
    include 'mpif.h'
    integer, parameter :: n = 200000
    double precision :: a(n), b(n)
    integer :: ierr, rank, ranks, i
    integer :: whole(n)
    call MPI_Init(ierr)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
    call MPI_Comm_size(MPI_COMM_WORLD, ranks, ierr)
    do i = 1, n
        a(i) = mod(i, 50) + rank
        whole(i) = mod(i, 50) + rank
    end do
    call MPI_Allreduce(a, b, n, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, ierr)
    call MPI_Allreduce(MPI_IN_PLACE, whole, n, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierr)
    do i = 1, n
        if (b(i) /= mod(i, 50) * ranks + ranks * (ranks - 1) / 2) stop 1
        if (whole(i) /= mod(i, 50) * ranks + ranks * (ranks - 1) / 2) stop 2
    end do
    call MPI_Reduce(a, b, n, MPI_DOUBLE_PRECISION, MPI_MAX, 0, MPI_COMM_WORLD, ierr)
    if (rank == 0 .and. b(n) /= mod(n, 50) + ranks - 1) stop 3
    print '(a)', 'fortran is right'
    call MPI_Finalize(ierr)
end program
