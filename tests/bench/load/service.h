// The service under test, as its callers reach it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/load/mode.h"

namespace assay::bench {

struct Settings {
  std::string server = "localhost:7443";
  std::string tls;  // folder of ca.pem, line.pem, line.key, operator.pem, operator.key
  uint32_t vendor = 0xFFF1;
  uint32_t product = 0x8000;
  std::string factory = "demo";
};

using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

// A connection of its own for each number. Throws std::runtime_error where a file cannot be read.
std::shared_ptr<grpc::Channel> Connect(const Settings& settings, const std::string& role,
                                       int number);
Channels ConnectLines(const Settings& settings, int count);

// Throws std::runtime_error with the refusal.
void Demand(const grpc::Status& status, const char* what);

// A name nobody used before, for a lot or a run's tickets.
std::string DrawName();

// A product and a lot of ten million for one kind of identity; its name. The PAI that fits vendor
// and product must be active.
std::string OpenLot(const Settings& settings, int iterations, Mode mode);

// `count` connections of lines, each of which has asked once; they stay open while the channels
// live.
Channels OpenIdleLines(const Settings& settings, const std::string& lot, int count);

}  // namespace assay::bench
