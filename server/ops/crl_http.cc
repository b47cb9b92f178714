#include "server/ops/crl_http.h"

#include <CivetServer.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/refusal.h"

namespace assay::ops {
namespace {

// A revocation is to be seen within the hour, whatever the list's own time is.
constexpr int64_t kLongestAgeSeconds = 3600;

std::string HttpDate(absl::Time time) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", time, absl::UTCTimeZone());
}

struct Asked {
  std::string issuer;
  uint32_t part = 0;
};

// "/crl/pai-1/0.crl"
std::optional<Asked> Read(absl::string_view uri) {
  if (!absl::ConsumePrefix(&uri, "/crl/") || !absl::ConsumeSuffix(&uri, ".crl")) return {};
  const size_t slash = uri.find('/');
  if (slash == absl::string_view::npos || slash == 0 || slash > 64) return {};
  Asked asked;
  asked.issuer = std::string(uri.substr(0, slash));
  const absl::string_view part = uri.substr(slash + 1);
  if (part.empty() || part.size() > 6 || !absl::SimpleAtoi(part, &asked.part)) return {};
  return asked;
}

class Lists final : public CivetHandler {
 public:
  Lists(revoke::CrlPress& press, const Clock& clock) : press_(press), clock_(clock) {}
  bool handleGet(CivetServer* /*server*/, mg_connection* connection) override {
    return Serve(connection, true);
  }
  bool handleHead(CivetServer* /*server*/, mg_connection* connection) override {
    return Serve(connection, false);
  }
  bool handlePost(CivetServer* /*server*/, mg_connection* connection) override {
    return Forbid(connection);
  }
  bool handlePut(CivetServer* /*server*/, mg_connection* connection) override {
    return Forbid(connection);
  }
  bool handleDelete(CivetServer* /*server*/, mg_connection* connection) override {
    return Forbid(connection);
  }
  bool handleOptions(CivetServer* /*server*/, mg_connection* connection) override {
    return Forbid(connection);
  }
  bool handlePatch(CivetServer* /*server*/, mg_connection* connection) override {
    return Forbid(connection);
  }

 private:
  static bool Forbid(mg_connection* connection) {
    return Fail(connection, "405 Method Not Allowed\r\nAllow: GET, HEAD");
  }

  static bool Fail(mg_connection* connection, const char* status) {
    mg_printf(connection,
              "HTTP/1.1 %s\r\nContent-Length: 0\r\nCache-Control: no-store\r\n"
              "Connection: close\r\n\r\n",
              status);
    return true;
  }

  bool Serve(mg_connection* connection, bool body) {
    const char* uri = mg_get_request_info(connection)->local_uri;
    const auto asked = Read(uri == nullptr ? "" : uri);
    if (!asked) return Fail(connection, "404 Not Found");
    const auto crl = press_.Serve(asked->issuer, asked->part);
    if (!crl.ok()) {
      const bool unknown = HasReason(crl.status(), Reason::PAI_UNKNOWN) ||
                           HasReason(crl.status(), Reason::CRL_UNKNOWN);
      return Fail(connection, unknown ? "404 Not Found" : "503 Service Unavailable");
    }
    const std::string tag = absl::StrCat("\"", (*crl)->number, "\"");
    const char* known = mg_get_header(connection, "If-None-Match");
    const bool same =
        known != nullptr && (absl::string_view(known) == "*" ||
                             absl::string_view(known).find(tag) != absl::string_view::npos);
    const int64_t left = absl::ToInt64Seconds((*crl)->next_update - clock_.Now());
    const std::string head = absl::StrCat(
        same ? "HTTP/1.1 304 Not Modified\r\n" : "HTTP/1.1 200 OK\r\n",
        same ? ""
             : absl::StrCat("Content-Type: application/pkix-crl\r\nContent-Length: ",
                            (*crl)->der.size(), "\r\n"),
        "ETag: ", tag, "\r\nLast-Modified: ", HttpDate((*crl)->this_update),
        "\r\nExpires: ", HttpDate((*crl)->next_update),
        "\r\nCache-Control: public, max-age=", std::clamp<int64_t>(left, 0, kLongestAgeSeconds),
        "\r\nConnection: close\r\n\r\n");
    mg_write(connection, head.data(), head.size());
    if (body && !same) mg_write(connection, (*crl)->der.data(), (*crl)->der.size());
    return true;
  }

  revoke::CrlPress& press_;
  const Clock& clock_;
};

}  // namespace

class CrlServer::Impl {
 public:
  Impl(const std::string& listen, revoke::CrlPress& press, const Clock& clock)
      : lists_(press, clock),
        server_(std::vector<std::string>{"listening_ports", listen, "num_threads", "2",
                                         "request_timeout_ms", "10000", "enable_keep_alive",
                                         "no"}) {
    server_.addHandler("/crl", lists_);
  }
  int port() { return server_.getListeningPorts().at(0); }

 private:
  Lists lists_;
  CivetServer server_;  // last: stops before the lists go
};

CrlServer::CrlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CrlServer::~CrlServer() = default;

int CrlServer::port() const { return impl_->port(); }

absl::StatusOr<std::unique_ptr<CrlServer>> CrlServer::Start(const std::string& listen,
                                                            revoke::CrlPress& press,
                                                            const Clock& clock) {
  try {
    return std::unique_ptr<CrlServer>(new CrlServer(std::make_unique<Impl>(listen, press, clock)));
  } catch (const CivetException&) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "revocation.listen", listen,
                       "the address cannot be listened on");
  }
}

}  // namespace assay::ops
