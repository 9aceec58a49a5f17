# Reads holdall/formats/formats.inc, the one list of formats, into HOLDALL_FORMATS.
set(HOLDALL_FORMATS_INC ${PROJECT_SOURCE_DIR}/holdall/formats/formats.inc)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${HOLDALL_FORMATS_INC})
file(STRINGS ${HOLDALL_FORMATS_INC} holdall_format_lines REGEX "^HOLDALL_FORMAT\\([a-z0-9_]+\\)")
set(HOLDALL_FORMATS)
foreach(line IN LISTS holdall_format_lines)
  string(REGEX REPLACE "^HOLDALL_FORMAT\\(([a-z0-9_]+)\\).*" "\\1" name "${line}")
  list(APPEND HOLDALL_FORMATS ${name})
endforeach()
