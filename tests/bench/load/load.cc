// The load a line makes: `assay_load` issues identities over mutual TLS, a fixed number at a time,
// and says how many a second came back and after how long; and beside it what bare OpenSSL would do
// on the same cores.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "assay/v1/authority.grpc.pb.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "assay/v1/issuance.grpc.pb.h"
#include "base/random.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "tests/bench/load/bare.h"
#include "tests/bench/load/device_key.h"

namespace assay::bench {
namespace {

using Steady = std::chrono::steady_clock;

struct Settings {
  std::string server = "localhost:7443";
  std::string tls;  // folder of ca.pem, line.pem, line.key, operator.pem, operator.key
  uint32_t vendor = 0xFFF1;
  uint32_t product = 0x8000;
  std::string factory = "demo";
};

struct Load {
  int iterations = 10000;
  bool csr = false;
  int in_flight = 64;
  double seconds = 5;
};

struct Measured {
  double rate = 0;
  double p50_ms = 0, p99_ms = 0;
  int64_t issued = 0, refused = 0;
  std::string first_refusal;
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::shared_ptr<grpc::Channel> Connect(const Settings& settings, const std::string& role,
                                       int number) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ReadFile(settings.tls + "/ca.pem");
  tls.pem_private_key = ReadFile(settings.tls + "/" + role + ".key");
  tls.pem_cert_chain = ReadFile(settings.tls + "/" + role + ".pem");
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(4 << 20);
  arguments.SetInt("assay.channel", number);  // equal arguments would share one connection
  return grpc::CreateCustomChannel(settings.server, grpc::SslCredentials(tls), arguments);
}

using Channels = std::vector<std::shared_ptr<grpc::Channel>>;
constexpr int kChannels = 4;

void Demand(const grpc::Status& status, const char* what) {
  if (!status.ok()) throw std::runtime_error(std::string(what) + ": " + status.error_message());
}

std::string RunName() {
  SystemRandom random;
  return "bench-" + ToHex(random.Draw(6));
}

// Product and lot of one measurement. The PAI that fits vendor and product must be active.
std::string OpenLot(const Settings& settings, const Load& load, const std::string& name) {
  const auto channel = Connect(settings, "operator", 0);
  v1::SignSandboxDeclarationRequest declare;
  declare.set_vendor_id(settings.vendor);
  declare.add_product_ids(settings.product);
  declare.set_device_type_id(0x0100);
  declare.set_version_number(1);
  v1::SignSandboxDeclarationResponse declared;
  grpc::ClientContext declare_context;
  Demand(v1::AuthorityService::NewStub(channel)->SignSandboxDeclaration(&declare_context, declare,
                                                                        &declared),
         "SignSandboxDeclaration");
  const auto catalog = v1::CatalogService::NewStub(channel);
  v1::ApplyProductRequest apply;
  apply.set_request_id(name + "-product");
  apply.set_name(name);
  v1::ProductSpec& spec = *apply.mutable_spec();
  spec.set_vendor_id(settings.vendor);
  spec.set_product_id(settings.product);
  spec.set_vendor_name("Bench");
  spec.set_product_name("Light");
  spec.set_hardware_version(1);
  spec.set_hardware_version_string("1.0");
  spec.set_certification_declaration(declared.declaration());
  spec.set_spake2p_iterations(static_cast<uint32_t>(load.iterations));
  spec.mutable_dac()->set_attestation(load.csr ? v1::ATTESTATION_CSR : v1::ATTESTATION_SERVER_KEY);
  v1::Product product;
  grpc::ClientContext apply_context;
  Demand(catalog->ApplyProduct(&apply_context, apply, &product), "ApplyProduct");
  v1::OpenLotRequest open;
  open.set_request_id(name + "-lot");
  open.set_name(name);
  open.set_product(name);
  open.set_factory(settings.factory);
  open.set_count(10'000'000);
  v1::Lot lot;
  grpc::ClientContext open_context;
  Demand(catalog->OpenLot(&open_context, open, &lot), "OpenLot");
  return lot.name();
}

// Keeps `in_flight` calls under way until the time is over, then waits for the rest.
class Line {
 public:
  Line(const Channels& channels, const Load& load, std::string lot)
      : load_(load), lot_(std::move(lot)) {
    const size_t used = std::min(static_cast<size_t>(load.in_flight), channels.size());
    for (size_t i = 0; i < used; ++i) {
      stubs_.push_back(v1::IssuanceService::NewStub(channels[i]));
    }
    if (load.csr) MakeRequests();
  }

  Measured Run() {
    Warm();
    start_ = Steady::now();
    end_ = start_ + std::chrono::duration_cast<Steady::duration>(
                        std::chrono::duration<double>(load_.seconds));
    for (int i = 0; i < load_.in_flight; ++i) Send();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return under_way_ == 0; });
    return Summarize();
  }

 private:
  struct Call {
    // Kept until the line goes: gRPC is not done with a call while its callback runs.
    std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
    v1::IssueRequest request;
    v1::IssueResponse response;
    Steady::time_point sent;
  };

  // Devices make their requests themselves; their work is not the service's.
  void MakeRequests() {
    csrs_.resize(static_cast<size_t>(load_.seconds * 6000));
    std::vector<std::jthread> makers;
    const size_t threads = std::thread::hardware_concurrency();
    for (size_t first = 0; first < threads; ++first) {
      makers.emplace_back([this, first, threads] {
        for (size_t i = first; i < csrs_.size(); i += threads) csrs_[i] = MakeDeviceRequest();
      });
    }
  }

  // Connections, caches of the lot, prepared statements.
  void Warm() {
    for (size_t i = 0; i < stubs_.size(); ++i) {
      Call call;
      Fill(call);
      Demand(stubs_[i]->Issue(call.context.get(), call.request, &call.response), "Issue");
    }
  }

  bool Fill(Call& call) {
    const size_t number = next_++;
    call.request.set_ticket("t" + std::to_string(number));
    call.request.set_lot(lot_);
    if (load_.csr) {
      if (number >= csrs_.size()) return false;
      call.request.set_csr(ToText(csrs_[number]));
    }
    call.context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return true;
  }

  void Send() {
    auto call = std::make_shared<Call>();
    if (!Fill(*call)) return;
    {
      const std::lock_guard lock(mutex_);
      ++under_way_;
    }
    call->sent = Steady::now();
    Call& sent = *call;
    stubs_[next_stub_++ % stubs_.size()]->async()->Issue(
        sent.context.get(), &sent.request, &sent.response,
        [this, call = std::move(call)](const grpc::Status& status) { Receive(*call, status); });
  }

  void Receive(Call& call, const grpc::Status& status) {
    const auto now = Steady::now();
    {
      const std::lock_guard lock(mutex_);
      spent_.push_back(std::move(call.context));
      if (status.ok()) {
        took_.push_back(std::chrono::duration<double, std::milli>(now - call.sent).count());
        last_ = now;
      } else {
        if (refused_++ == 0) first_refusal_ = status.error_message();
      }
    }
    // A refusal ends this slot: a service that refuses must not be hammered.
    if (status.ok() && now < end_) Send();
    const std::lock_guard lock(mutex_);
    if (--under_way_ == 0) idle_.notify_all();
  }

  Measured Summarize() {
    Measured measured{.issued = static_cast<int64_t>(took_.size()),
                      .refused = refused_,
                      .first_refusal = first_refusal_};
    if (took_.empty()) return measured;
    std::sort(took_.begin(), took_.end());
    measured.rate =
        static_cast<double>(took_.size()) / std::chrono::duration<double>(last_ - start_).count();
    measured.p50_ms = took_[took_.size() / 2];
    measured.p99_ms = took_[took_.size() * 99 / 100];
    return measured;
  }

  const Load load_;
  const std::string lot_;
  std::vector<std::unique_ptr<v1::IssuanceService::Stub>> stubs_;
  std::vector<Bytes> csrs_;
  std::atomic<size_t> next_ = 0, next_stub_ = 0;
  Steady::time_point start_, end_, last_;
  std::mutex mutex_;
  std::condition_variable idle_;
  int under_way_ = 0;
  int64_t refused_ = 0;
  std::string first_refusal_;
  std::vector<double> took_;
  std::vector<std::unique_ptr<grpc::ClientContext>> spent_;
};

void Measure(const Settings& settings, const Channels& channels, const Load& load, double bare) {
  const std::string lot = OpenLot(settings, load, RunName());
  const Measured measured = Line(channels, load, lot).Run();
  std::printf("| %6d | %-10s | %9d | %9.0f | %8.1f | %8.1f | %9.0f | %5.2f |\n", load.iterations,
              load.csr ? "CSR" : "server key", load.in_flight, measured.rate, measured.p50_ms,
              measured.p99_ms, bare, measured.rate / bare);
  std::fflush(stdout);
  if (measured.refused > 0) {
    std::printf("  %lld calls were refused, the first with: %s\n",
                static_cast<long long>(measured.refused), measured.first_refusal.c_str());
  }
}

void MeasureAll(const Settings& settings, const std::vector<int>& iterations,
                const std::vector<int>& in_flight, double seconds) {
  Channels channels;
  for (int i = 0; i < kChannels; ++i) channels.push_back(Connect(settings, "line", i));
  const int threads = static_cast<int>(std::thread::hardware_concurrency());
  std::printf(
      "| iterations | mode | in flight | per second | p50 ms | p99 ms | bare OpenSSL | ratio |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const int count : iterations) {
    for (const bool csr : {false, true}) {
      const double bare =
          MeasureBare({.iterations = count, .csr = csr}, threads, std::chrono::milliseconds(2000));
      for (const int flight : in_flight) {
        Measure(settings, channels,
                {.iterations = count, .csr = csr, .in_flight = flight, .seconds = seconds}, bare);
      }
    }
  }
}

}  // namespace
}  // namespace assay::bench

int main(int argc, char** argv) {
  assay::bench::Settings settings;
  std::vector<int> iterations{1000, 10000};
  std::vector<int> in_flight{1, 64};
  double seconds = 5;
  CLI::App app(
      "Issues identities as fast as the service makes them, and sets the rate beside bare "
      "OpenSSL's.");
  app.add_option("--server", settings.server, "host:port");
  app.add_option("--tls", settings.tls,
                 "folder of ca.pem and of line's and operator's certificate and key")
      ->required();
  app.add_option("--factory", settings.factory, "a factory the line is granted");
  app.add_option("--iterations", iterations, "PBKDF2 iterations to measure")->delimiter(',');
  app.add_option("--in-flight", in_flight, "calls at a time")->delimiter(',');
  app.add_option("--seconds", seconds, "length of one measurement");
  CLI11_PARSE(app, argc, argv);
  try {
    assay::bench::MeasureAll(settings, iterations, in_flight, seconds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "assay_load: %s\n", error.what());
    return 1;
  }
  return 0;
}
