# The Debian 12 libraries, each under one target name. hack/packages.txt installs them.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(simdjson REQUIRED)
find_package(RocksDB REQUIRED)
find_package(date REQUIRED)
find_package(benchmark REQUIRED)
find_package(cpprestsdk REQUIRED)

# Asio and Beast are headers only; coroutines on Boost 1.74 with g++ 12 need <utility> first.
add_library(beast INTERFACE)
target_compile_options(beast INTERFACE -include utility)
target_compile_definitions(beast INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ARRAY)
target_link_libraries(beast INTERFACE Threads::Threads)

# The client half of cpprestsdk, with what its headers need.
add_library(cpprest INTERFACE)
target_link_libraries(cpprest INTERFACE cpprestsdk::cpprest OpenSSL::SSL Threads::Threads)

# Debian's package has no CMake file.
find_library(CARES_LIBRARY cares REQUIRED)
add_library(cares INTERFACE)
target_link_libraries(cares INTERFACE "${CARES_LIBRARY}")

# The broker's allocator: its threads free what other threads made. Sanitizers bring one of their own.
find_library(JEMALLOC_LIBRARY jemalloc REQUIRED)
add_library(jemalloc INTERFACE)
if(NOT SANITIZE)
  target_link_libraries(jemalloc INTERFACE "${JEMALLOC_LIBRARY}")
endif()
