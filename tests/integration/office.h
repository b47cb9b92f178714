// A whole Assay for one test program: real TLS, a SoftHSM token, a PostgreSQL database, assayd in
// this process.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "assay/v1/audit.grpc.pb.h"
#include "assay/v1/authority.grpc.pb.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "assay/v1/issuance.grpc.pb.h"
#include "server/app/daemon.h"
#include "tests/support/softhsm_fixture.h"
#include "tests/support/test_pki.h"

namespace assay::integration {

inline constexpr char kLine[] = "spiffe://assay.test/line/north-1";
inline constexpr char kPlainLine[] = "spiffe://assay.test/line/north-2";  // without the role keys
inline constexpr char kSouthLine[] = "spiffe://assay.test/line/south-1";
inline constexpr char kOperator[] = "spiffe://assay.test/operator/ann";
inline constexpr char kAuditor[] = "spiffe://assay.test/auditor/carol";
inline constexpr char kCodesAuditor[] = "spiffe://assay.test/auditor/dave";  // with the role codes

// The reason in a status's google.rpc.ErrorInfo; empty where there is none.
std::string ReasonIn(const grpc::Status& status);
// A value of its metadata: "field", "value", "rule".
std::string MetadataIn(const grpc::Status& status, const std::string& key);
bool HasRetryInfo(const grpc::Status& status);

class Office {
 public:
  // Prepared and serving, with one active PAI for FFF1, on a migrated database of its own or the
  // one given. Aborts the program when that fails.
  explicit Office(const std::string& dsn = "");
  ~Office();
  // The program's own, made at the first call.
  static Office& Shared();

  app::Daemon& daemon() { return *daemon_; }
  const ops::Config& config() const { return config_; }
  std::string config_path() const { return (folder_ / "assayd.yaml").string(); }
  const std::filesystem::path& folder() const { return folder_; }
  const std::string& dsn() const { return dsn_; }
  test_support::SoftHsm& hsm() { return hsm_; }
  const test_support::TestPki& pki() const { return pki_; }

  void Stop() { daemon_.reset(); }
  absl::Status StartAgain() { return StartAgain(config_); }
  absl::Status StartAgain(const ops::Config& config);

  std::string Address() const { return "localhost:" + std::to_string(daemon_->port()); }
  // A channel of its own: gRPC would share connections of equal arguments.
  std::shared_ptr<grpc::Channel> Channel(const test_support::TlsIdentity& identity,
                                         const std::string& server_ca = "") const;
  std::shared_ptr<grpc::Channel> ChannelAs(const std::string& uri) const {
    return Channel(pki_.Client(uri));
  }

  // Asks until the answer is `ready`; fails the test after a long time.
  void AwaitReady(bool ready = true);

  // Active, its key in the token, signed by the sandbox PAA.
  v1::Pai MakePai(const std::string& name, uint32_t vendor_id);
  std::string Declaration(uint32_t vendor_id, uint32_t product_id);
  v1::ProductSpec Light();
  // Registers the product and opens the lot in factory "north".
  v1::Lot OpenLot(const std::string& lot, const v1::ProductSpec& spec, uint64_t count,
                  const std::string& factory = "north");
  v1::Lot LotNow(const std::string& lot);

  grpc::Status Issue(const v1::IssueRequest& request, v1::IssueResponse* response,
                     const std::string& as = kLine);
  static v1::IssueRequest Request(const std::string& lot, const std::string& ticket);
  std::string NextId() { return "request-" + std::to_string(++ids_); }

  // A device's certificate request, DER, for a fresh key on the named curve.
  static std::string Csr(const char* curve = "P-256");

 private:
  void WriteConfig();

  test_support::TestPki pki_;
  test_support::SoftHsm hsm_;
  std::filesystem::path folder_;
  std::string dsn_;
  ops::Config config_;
  std::unique_ptr<app::Daemon> daemon_;
  int ids_ = 0;
};

// A context with a deadline long enough for a loaded machine.
std::unique_ptr<grpc::ClientContext> Context();

}  // namespace assay::integration
