# Install rules; find_package(Holdall) and pkg-config give holdall::holdall to programs elsewhere.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Fills `out` with the headers that a program may see: those that the umbrella, the C interface and the adapters include, and
# theirs.
function(holdall_public_headers out)
  set(headers)
  set(open holdall/holdall.h holdall/c.h holdall/adapters/libtorch.h)
  while(open)
    list(POP_FRONT open header)
    if(header IN_LIST headers)
      continue()
    endif()
    list(APPEND headers ${header})
    file(STRINGS ${PROJECT_SOURCE_DIR}/${header} includes REGEX "^#include \"holdall/")
    foreach(line IN LISTS includes)
      string(REGEX REPLACE "^#include \"([^\"]+)\".*" "\\1" included "${line}")
      list(APPEND open ${included})
    endforeach()
  endwhile()
  set(${out} ${headers} PARENT_SCOPE)
endfunction()

holdall_public_headers(headers)
foreach(header IN LISTS headers)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder})
endforeach()

install(TARGETS holdall EXPORT HoldallTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET holdall_command)
  install(TARGETS holdall_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Holdall)
install(EXPORT HoldallTargets NAMESPACE holdall:: DESTINATION ${package})
set(HOLDALL_IS_STATIC ON)
if(BUILD_SHARED_LIBS)
  set(HOLDALL_IS_STATIC OFF)
endif()
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/HoldallConfig.cmake.in ${PROJECT_BINARY_DIR}/HoldallConfig.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/HoldallConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/HoldallConfig.cmake ${PROJECT_BINARY_DIR}/HoldallConfigVersion.cmake DESTINATION ${package})

# Names of the libraries behind a static libholdall.a, for pkg-config --static and for HoldallConfig.cmake.
set(HOLDALL_PRIVATE_LIBS)
foreach(name IN LISTS HOLDALL_DEPENDENCY_NAMES)
  string(APPEND HOLDALL_PRIVATE_LIBS " -l${name}")
endforeach()
set(HOLDALL_PKGCONFIG_LIBS "-lholdall -pthread")
if(HOLDALL_IS_STATIC)
  # Without a shared library everybody needs what it stands on.
  string(APPEND HOLDALL_PKGCONFIG_LIBS "${HOLDALL_PRIVATE_LIBS}")
endif()
# The prefix from where holdall.pc lies, so that an installed tree may be moved.
file(RELATIVE_PATH HOLDALL_PKGCONFIG_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" HOLDALL_PKGCONFIG_UP "${HOLDALL_PKGCONFIG_UP}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/holdall.pc.in ${PROJECT_BINARY_DIR}/holdall.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/holdall.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
