# Installation: the library with its headers, find_package(onecopy), pkg-config, the tool.
include(CMakePackageConfigHelpers)

install(TARGETS onecopy EXPORT onecopyTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/onecopy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES ${PROJECT_BINARY_DIR}/generated/include/onecopy/version.hpp
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/onecopy)
install(EXPORT onecopyTargets NAMESPACE onecopy:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onecopy)

configure_package_config_file(cmake/onecopyConfig.cmake.in onecopyConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onecopy)
write_basic_package_version_file(onecopyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/onecopyConfig.cmake ${PROJECT_BINARY_DIR}/onecopyConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onecopy)

# The pkg-config file finds its prefix by its own place: `cmake --install --prefix` and a package may
# choose another than the configured one. Where a folder was given as an absolute path it stays one.
set(pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    file(RELATIVE_PATH pc_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
    string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${pc_prefix}")
endif()
foreach(folder libdir includedir)
    string(TOUPPER CMAKE_INSTALL_${folder} chosen)
    cmake_path(APPEND pc_${folder} "\${prefix}" "${${chosen}}")
endforeach()
configure_file(cmake/onecopy.pc.in onecopy.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/onecopy.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
