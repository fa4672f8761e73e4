# The three kinds of target that this project has. A folder's DEPS are its row of the picture in
# docs/architecture.md; tests/tidy checks that its includes agree.

# glint_library(<folder> SOURCES a.cpp ... DEPS <folders and libraries>)
function(glint_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(glint_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(glint_${name} PUBLIC ${ARG_DEPS} PRIVATE glint_warnings)
    target_include_directories(glint_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  else()
    add_library(glint_${name} INTERFACE)
    target_link_libraries(glint_${name} INTERFACE ${ARG_DEPS})
    target_include_directories(glint_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
  endif()
endfunction()

# glint_test(<name> SOURCES a_test.cpp ... DEPS <libraries> [LABELS ...] [PREFIX ...]): one GoogleTest program, each
# of its tests a ctest test. PREFIX goes before their names where two programs have the same tests.
function(glint_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;PREFIX" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT BUILD_TESTING)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} glint_warnings GTest::gtest_main GTest::gmock)
  if("threads" IN_LIST ARG_LABELS)
    add_dependencies(threads_tests ${name})
  endif()
  target_compile_definitions(${name} PRIVATE GLINT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${ARG_PREFIX}"
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
