// What the tests need of a test framework.
#pragma once

#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition))                                                                 \
      throw std::runtime_error("line " + std::to_string(__LINE__) + ": " #condition); \
  } while (false)

using Tests = std::vector<std::pair<std::string, std::function<void()>>>;

/// Runs all tests; returns the exit status.
inline int run_all(const Tests& tests) {
  int failures = 0;
  for (const auto& [name, test] : tests) {
    try {
      test();
      std::cout << "ok      " << name << std::endl;
    } catch (const std::exception& error) {
      std::cout << "FAILED  " << name << ", " << error.what() << std::endl;
      failures++;
    }
  }
  return failures == 0 ? 0 : 1;
}
