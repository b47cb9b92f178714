// The commands, each a function of what was typed. They print results on standard output, remarks
// on standard error, and return the fault; exit codes and the line about the fault are run.cc's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "assay/v1/audit.pb.h"
#include "client/command/context.h"
#include "client/mfg_tool/options.h"

namespace assay::client {

// ---- issuing ----
struct IssueOptions {
  std::string lot;
  uint64_t count = 0;
  std::string out;  // empty: ./<lot>
  std::string csr_folder;
  std::string modules;   // csv
  std::string given;     // folder or csv
  std::string pai_file;  // with given
  std::string ticket_prefix;
  bool confirm = false;
  bool show_qr = false;
  int window = 64;
};
absl::Status Issue(Context& context, const IssueOptions& options);

struct TicketOptions {
  std::string lot;
  std::string ticket;
  std::string out;      // fetch: the folder
  std::string outcome;  // confirm: "provisioned" or "scrapped"
};
absl::Status Fetch(Context& context, const TicketOptions& options);
absl::Status ConfirmUnit(Context& context, const TicketOptions& options);
absl::Status MfgTool(Context& context, const MfgToolOptions& options);

// ---- products and lots ----
struct ProductOptions {
  std::string name;
  std::string file;
};
absl::Status ApplyProduct(Context& context, const ProductOptions& options);
absl::Status ShowProduct(Context& context, const ProductOptions& options);
absl::Status ListProducts(Context& context);

struct LotOptions {
  std::string name;
  std::string product;
  std::string factory;
  uint64_t count = 0;
  uint64_t retention_days = 0;
};
absl::Status OpenLot(Context& context, const LotOptions& options);
absl::Status RaiseLot(Context& context, const LotOptions& options);
absl::Status CloseLot(Context& context, const LotOptions& options);
absl::Status ShowLot(Context& context, const LotOptions& options);
absl::Status ListLots(Context& context, const LotOptions& options);
absl::Status ShowStatus(Context& context);

struct LeaseOptions {
  std::string lot, line, id;
  uint64_t count = 0;
  std::string lasts;  // "8h", "30m", "2d"
  bool all = false;
};
absl::Status GrantLease(Context& context, const LeaseOptions& options);
absl::Status ReleaseLease(Context& context, const LeaseOptions& options);
absl::Status ListLeases(Context& context, const LeaseOptions& options);

struct ReconcileOptions {
  std::string lot;
  std::vector<std::string> shifts;  // "06:00"
  std::string offset;               // "+08:00"
  std::string csv;                  // file
};
absl::Status ReconcileLot(Context& context, const ReconcileOptions& options);

// ---- authority ----
struct PaiOptions {
  std::string name;
  uint64_t vendor_id = 0;
  std::optional<uint64_t> product_id;
  std::string common_name;
  std::string certificate_file;
  std::string paa_file;
  std::string out;  // create: the request's file; show: the certificate's
};
absl::Status CreatePai(Context& context, const PaiOptions& options);
absl::Status InstallPai(Context& context, const PaiOptions& options);
absl::Status SignSandboxPai(Context& context, const PaiOptions& options);
absl::Status ActivatePai(Context& context, const PaiOptions& options);
absl::Status ShowPai(Context& context, const PaiOptions& options);
absl::Status ListPais(Context& context);

struct DeclarationOptions {
  uint64_t vendor_id = 0;
  std::vector<uint64_t> product_ids;
  uint64_t device_type_id = 0x0100;
  std::string certificate_id;
  uint64_t version_number = 1;
  std::optional<uint64_t> origin_vendor_id;
  std::optional<uint64_t> origin_product_id;
  std::vector<std::string> authorized_paas;  // key ids in hex
  std::string out;
};
absl::Status SignDeclaration(Context& context, const DeclarationOptions& options);

// ---- records ----
struct AuditOptions {
  std::string device_id;
  std::string dac_serial;  // hex
  std::string lot, product, factory, line, serial_number, state;
  std::string from, until;  // dates
  std::string serial_from, serial_until;
  std::string dac_skid;  // hex
  std::string format = "csv";
  std::string out;
  std::string manifest;  // export and verify-export: the signed manifest's file
  bool codes = false;
  uint64_t limit = 100;
  uint64_t events = 0;                // watch: ends after so many; 0: never
  uint64_t pause_ms = 1000;           // watch: between two looks
  std::string file, key, not_before;  // verify-export
};
absl::Status ListDevices(Context& context, const AuditOptions& options);
absl::Status ShowDevice(Context& context, const AuditOptions& options);
absl::Status ExportRecords(Context& context, const AuditOptions& options);
absl::Status VerifyExport(Context& context, const AuditOptions& options);
absl::Status WatchRecords(Context& context, const AuditOptions& options);
// The filter as typed; FIELD_MALFORMED names the flag.
absl::StatusOr<v1::DeviceFilter> FilterOf(const AuditOptions& options);

// ---- files, without a server ----
struct ImageOptionsTyped {
  std::string file, other;
  std::string keys, other_keys;
  bool show_secrets = false;
  std::string signature, certificate, manifest;
};
absl::Status InspectImageFile(Context& context, const ImageOptionsTyped& options);
absl::Status DiffImageFiles(Context& context, const ImageOptionsTyped& options);
absl::Status VerifyImageFile(Context& context, const ImageOptionsTyped& options);

}  // namespace assay::client
