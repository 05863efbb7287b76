# onecopy_bench_driver(BENCH WAY sources... [INCLUDE folders...] [LINK libraries...])
#
# A program onecopy-BENCH-WAY: rank/driver.cpp with the works of a bench and one library. It is added
# to the global property onecopy_BENCH_drivers.
function(onecopy_bench_driver bench way)
    cmake_parse_arguments(ARG "" "" "INCLUDE;LINK" ${ARGN})
    set(target onecopy_${bench}_${way})
    add_executable(${target} ${PROJECT_SOURCE_DIR}/bench/rank/driver.cpp ${ARG_UNPARSED_ARGUMENTS})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME onecopy-${bench}-${way})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/bench)
    target_include_directories(${target} SYSTEM PRIVATE ${ARG_INCLUDE})
    target_compile_definitions(${target} PRIVATE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
    target_link_libraries(${target} PRIVATE onecopy_options onecopy_bench_rank ${ARG_LINK})
    install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBDIR}/onecopy)
    set_property(GLOBAL APPEND PROPERTY onecopy_${bench}_drivers ${target})
endfunction()

# onecopy_bench_mpi_drivers(BENCH sources...): one for each MPI that is installed.
function(onecopy_bench_mpi_drivers bench)
    find_package(PkgConfig REQUIRED)
    foreach(mpi ompi-c mpich)
        string(TOUPPER BENCH_${bench}_${mpi} found)
        string(REPLACE - _ found ${found})
        pkg_check_modules(${found} ${mpi})
        if(${found}_FOUND)
            string(REPLACE ompi-c openmpi way ${mpi})
            onecopy_bench_driver(${bench} ${way} ${ARGN} INCLUDE ${${found}_INCLUDE_DIRS}
                                 LINK ${${found}_LINK_LIBRARIES})
        endif()
    endforeach()
endfunction()
