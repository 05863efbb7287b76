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
configure_file(cmake/onecopy.pc.in onecopy.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/onecopy.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
