# freshet_layer(NAME SOURCES file... [USES layer...] [LIBRARIES library...])
#
# One static library for src/NAME. Its headers are included as "NAME/file.h", through a folder of
# its own in the build tree that holds nothing but a link to src/NAME. That folder is on the include
# path of those that link the layer, so the links below are the layer's permission: a header of a
# layer that is not named there, nor below one that is, can't be found.
function(freshet_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 layer "" "" "SOURCES;USES;LIBRARIES")
  set(source_folder ${PROJECT_SOURCE_DIR}/src/${name})
  set(include_folder ${PROJECT_BINARY_DIR}/layers/${name})
  file(MAKE_DIRECTORY ${include_folder})
  file(CREATE_LINK ${source_folder} ${include_folder}/${name} SYMBOLIC)

  list(TRANSFORM layer_SOURCES PREPEND ${source_folder}/)
  add_library(freshet_${name} STATIC ${layer_SOURCES})
  target_include_directories(freshet_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                                    ${include_folder})
  foreach(used IN LISTS layer_USES)
    target_link_libraries(freshet_${name} PUBLIC freshet_${used})
  endforeach()
  target_link_libraries(freshet_${name} PUBLIC ${layer_LIBRARIES})
endfunction()
