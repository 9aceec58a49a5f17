# The libraries that Holdall stands on, all from the system. Static archives are preferred: the command then starts without
# looking for a dozen shared libraries, and runs on a machine that has none of them. A shared libholdall.so stands on shared ones:
# Debian's archives are made for programs, and not all of them can go into a shared library.
find_package(Threads REQUIRED)

function(holdall_import target archive header)
  find_path(HOLDALL_${target}_INCLUDE ${header} REQUIRED)
  set(names lib${archive}.a ${archive})
  if(BUILD_SHARED_LIBS)
    set(names ${archive})
  endif()
  find_library(HOLDALL_${target}_LIBRARY NAMES ${names} REQUIRED)
  add_library(holdall_dependency_${target} INTERFACE)
  target_include_directories(holdall_dependency_${target} SYSTEM INTERFACE $<BUILD_INTERFACE:${HOLDALL_${target}_INCLUDE}>)
  target_link_libraries(holdall_dependency_${target} INTERFACE ${HOLDALL_${target}_LIBRARY})
  mark_as_advanced(HOLDALL_${target}_INCLUDE HOLDALL_${target}_LIBRARY)
  set(HOLDALL_DEPENDENCIES ${HOLDALL_DEPENDENCIES} holdall_dependency_${target} PARENT_SCOPE)
  set(HOLDALL_DEPENDENCY_NAMES ${HOLDALL_DEPENDENCY_NAMES} ${archive} PARENT_SCOPE)
endfunction()

set(HOLDALL_DEPENDENCIES)
set(HOLDALL_DEPENDENCY_NAMES)

holdall_import(deflate deflate libdeflate.h)
holdall_import(zlib z zlib.h)
holdall_import(zstd zstd zstd.h)
holdall_import(lz4 lz4 lz4frame.h)
holdall_import(lzma lzma lzma.h)
holdall_import(bz2 bz2 bzlib.h)
holdall_import(xxhash xxhash xxhash.h)
holdall_import(crypto crypto openssl/sha.h)
find_path(HOLDALL_fmt_INCLUDE fmt/format.h REQUIRED)
mark_as_advanced(HOLDALL_fmt_INCLUDE)
