// conformance ENDPOINT SCENARIO: executes a scenario and prints what it observed.
#include <exception>
#include <fstream>
#include <iostream>

#include "runner.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: conformance <endpoint> <scenario.json>\n";
    return 2;
  }
  std::string name = "the scenario";
  try {
    std::ifstream file(argv[2]);
    const auto scenario = nlohmann::json::parse(file);
    std::string all;
    const auto print = [&](const std::string& line) {
      all += line + "\n";
      std::cout << line << std::endl;
    };
    conformance::Runner runner(argv[1], scenario.at("data"), print);
    for (const auto& step : scenario.at("steps")) {
      name = step.value("name", step.value("do", "a note"));
      runner.run(step);
    }
    std::cout << "digest " << conformance::sha256(all) << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "conformance: " << name << ": " << error.what() << "\n";
    return 1;
  }
}
