# The verbs the folders are declared with. DEPS are folders of ours: hack/check-layers holds every
# #include against them. LIBS come from Debian.
include(GoogleTest)

# sluice_library(NAME DEPS our_target... LIBS debian_target... [PCH header...])
# Every .cpp of the current folder but main.cpp.
function(sluice_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;PCH" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC project_options ${ARG_DEPS} ${ARG_LIBS})
    if(ARG_PCH)
      target_precompile_headers(${name} PRIVATE ${ARG_PCH})
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE project_options ${ARG_DEPS} ${ARG_LIBS})
  endif()
endfunction()

# sluice_program(NAME DEPS our_target...): main.cpp of the current folder.
function(sluice_program name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  add_executable(${name} main.cpp)
  target_link_libraries(${name} PRIVATE project_options ${ARG_DEPS} ${ARG_LIBS})
endfunction()

# sluice_test(NAME KIND kind FOLDER folder-under-tests DEPS our_target... [LIBS ...] [ENV VAR=value [VAR=value]] [TIMEOUT s]
#             [WHOLE] [THREADS])
# One executable of every *_test.cpp in the folder; each test is one ctest entry with the label KIND. WHOLE: the
# program is one entry, for tests that share a costly environment. THREADS: the code under test has threads; only such
# programs are there with ThreadSanitizer. All programs of a KIND: the target KIND_tests.
function(sluice_test name)
  cmake_parse_arguments(ARG "WHOLE;THREADS" "KIND;FOLDER;TIMEOUT" "DEPS;LIBS;ENV" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/${ARG_FOLDER}/*.cpp")
  set_property(GLOBAL APPEND PROPERTY SLUICE_TEST_SOURCES ${sources})
  if(SANITIZE STREQUAL "thread" AND NOT ARG_THREADS)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${sources})
  if(NOT TARGET ${ARG_KIND}_tests)
    add_custom_target(${ARG_KIND}_tests)
  endif()
  add_dependencies(${ARG_KIND}_tests ${name})
  target_link_libraries(${name} PRIVATE project_options tests_pch ${ARG_DEPS} ${ARG_LIBS}
    rapidcheck rapidcheck_gtest GTest::gmock GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM tests_pch)
  set(properties LABELS "${ARG_KIND}" TIMEOUT ${ARG_TIMEOUT})
  if(ARG_WHOLE)
    add_test(NAME ${ARG_KIND}.${name} COMMAND ${name})
    set_tests_properties(${ARG_KIND}.${name} PROPERTIES ${properties} ENVIRONMENT "${ARG_ENV}")
    return()
  endif()
  # No list survives the way through gtest_discover_tests: each of two variables has a property.
  list(LENGTH ARG_ENV variables)
  if(variables GREATER 0)
    list(GET ARG_ENV 0 variable)
    list(APPEND properties ENVIRONMENT "${variable}")
  endif()
  if(variables GREATER 1)
    list(GET ARG_ENV 1 variable)
    string(REPLACE "=" "=set:" variable "${variable}")
    list(APPEND properties ENVIRONMENT_MODIFICATION "${variable}")
  endif()
  gtest_discover_tests(${name} TEST_PREFIX "${ARG_KIND}." DISCOVERY_MODE PRE_TEST
    PROPERTIES ${properties})
endfunction()

# Fails the configuration when a test file is in no test program.
function(sluice_require_every_test_built)
  file(GLOB_RECURSE all "${CMAKE_SOURCE_DIR}/tests/*_test.cpp")
  get_property(built GLOBAL PROPERTY SLUICE_TEST_SOURCES)
  foreach(source IN LISTS all)
    if(NOT source IN_LIST built)
      message(FATAL_ERROR "no test program builds ${source}: add its folder to tests/CMakeLists.txt")
    endif()
  endforeach()
endfunction()
