#include "server/rpc/bundle_service.h"

#include <openssl/evp.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/bundle_list.h"
#include "server/issue/wipe.h"
#include "server/lot/act.h"

namespace assay::rpc {
namespace {

constexpr int kPageUnits = 16;
constexpr uint64_t kMaxListBytes = uint64_t{512} << 20;

// A page of units from the store, then its writes one after the other, then the next page. One
// thing is under way at a time, and Finish follows the last.
class FetchStream final : public grpc::ServerWriteReactor<v1::FetchLotResponse> {
 public:
  FetchStream(issue::Bundler& bundler, BlockingPool& pool, std::shared_ptr<Call> call,
              std::string lot)
      : bundler_(bundler), pool_(pool), call_(std::move(call)), name_(std::move(lot)) {
    call_->About("", name_);
  }

  void Start() {
    if (!call_->admitted().ok()) return End(call_->admitted());
    if (const absl::Status named = lot::CheckName("lot", name_); !named.ok()) return End(named);
    FetchPage();
  }

  void OnWriteDone(bool ok) override {
    issue::WipeIdentity(*response_.mutable_identity());
    if (!ok) return End(absl::CancelledError("the caller has gone"));
    WriteNext();
  }
  void OnCancel() override { gone_ = true; }
  void OnDone() override {
    for (v1::Identity& unit : page_.units) issue::WipeIdentity(unit);
    delete this;
  }

 private:
  void FetchPage() {
    const bool accepted = pool_.Run([this] {
      if (!lot_) {
        auto lot = bundler_.FindLot(call_->caller(), name_);
        if (!lot.ok()) return End(lot.status());
        lot_ = *std::move(lot);
      }
      auto page = bundler_.ReadPage(call_->caller(), *lot_, page_.last_row, kPageUnits);
      if (!page.ok()) return End(page.status());
      page_ = *std::move(page);
      next_ = 0;
      WriteNext();
    });
    if (!accepted) End(Refuse(Reason::OVERLOADED, "too many calls wait already"));
  }

  void WriteNext() {
    if (gone_) return End(absl::CancelledError("the caller has gone"));
    if (next_ < page_.units.size()) {
      *response_.mutable_identity() = std::move(page_.units[next_++]);
      return StartWrite(&response_);
    }
    if (page_.more) return FetchPage();
    End(absl::OkStatus());
  }

  void End(const absl::Status& status) { Finish(call_->End(status)); }

  issue::Bundler& bundler_;
  BlockingPool& pool_;
  const std::shared_ptr<Call> call_;
  const std::string name_;
  std::optional<db::Lot> lot_;
  issue::Bundler::Page page_;
  size_t next_ = 0;
  v1::FetchLotResponse response_;
  std::atomic<bool> gone_ = false;
};

// Reads the list, looking at its form as it comes; nothing of it is kept.
class SignStream final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  SignStream(issue::Bundler& bundler, BlockingPool& pool, const FrontDesk& desk,
             grpc::CallbackServerContext* context, v1::SignBundleResponse* response)
      : bundler_(bundler),
        pool_(pool),
        context_(context),
        call_(desk.Admit(*context, "assay.v1.BundleService/SignBundle")),
        response_(response),
        hash_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {}

  void Start() {
    if (!call_->admitted().ok()) return End(call_->admitted());
    if (hash_ == nullptr || EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr) != 1) {
      return End(Refuse(Reason::INTERNAL, "SHA-256 is not available"));
    }
    StartRead(&received_);
  }

  void OnReadDone(bool ok) override {
    // To a read, the end of the list looks like a call that broke; but only a call that stands
    // takes the head of its answer.
    if (!ok) return StartSendInitialMetadata();
    const absl::Status taken = Take();
    if (!taken.ok()) return End(taken);
    StartRead(&received_);
  }
  void OnSendInitialMetadataDone(bool ok) override {
    if (ok && !context_->IsCancelled()) return Sign();
    End(absl::CancelledError("the call broke before the list's end"));
  }
  void OnDone() override { delete this; }

 private:
  absl::Status Take() {
    ASSAY_RETURN_IF_ERROR(ReadMessage(received_, request_));
    if (!reader_) {
      ASSAY_RETURN_IF_ERROR(lot::CheckName("lot", request_.lot()));
      lot_ = request_.lot();
      call_->About("", lot_);
      reader_.emplace(lot_);
    } else if (!request_.lot().empty() && request_.lot() != lot_) {
      return RefuseField(Reason::FIELDS_CONTRADICT, "lot", request_.lot(),
                         absl::StrCat("the list was begun for lot ", lot_));
    }
    size_ += request_.list().size();
    if (size_ > kMaxListBytes) {
      return RefuseField(Reason::FIELD_TOO_LONG, "list", absl::StrCat(size_, " bytes"),
                         "must be at most 512 MiB");
    }
    EVP_DigestUpdate(hash_.get(), request_.list().data(), request_.list().size());
    return reader_->Feed(request_.list());
  }

  void Sign() {
    if (!reader_) {
      return End(RefuseField(Reason::FIELD_REQUIRED, "lot", "", "names the lot of the bundle"));
    }
    const absl::Status whole = reader_->End();
    if (!whole.ok()) return End(whole);
    const bool accepted = pool_.Run([this] {
      Sha256Digest digest{};
      EVP_DigestFinal_ex(hash_.get(), digest.data(), nullptr);
      auto signed_list =
          bundler_.Sign(call_->caller(), lot_, digest, reader_->members(), call_->deadline());
      if (signed_list.ok()) *response_ = *std::move(signed_list);
      End(signed_list.status());
    });
    if (!accepted) End(Refuse(Reason::OVERLOADED, "too many calls wait already"));
  }

  void End(const absl::Status& status) { Finish(call_->End(status)); }

  issue::Bundler& bundler_;
  BlockingPool& pool_;
  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<Call> call_;
  v1::SignBundleResponse* const response_;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash_;
  grpc::ByteBuffer received_;
  v1::SignBundleRequest request_;
  std::string lot_;
  std::optional<image::BundleListReader> reader_;
  uint64_t size_ = 0;
};

}  // namespace

BundleService::BundleService(const FrontDesk& desk, BlockingPool& pool, issue::Bundler& bundler)
    : Readable(desk), pool_(pool), bundler_(bundler) {
  Serve("FetchLot", &BundleService::FetchLot);
  Serve("SignBundle", &BundleService::ReadBundle);
}

grpc::ServerWriteReactor<v1::FetchLotResponse>* BundleService::FetchLot(
    grpc::CallbackServerContext* context, const v1::FetchLotRequest* request) {
  auto* stream = new FetchStream(
      bundler_, pool_, desk_.Admit(*context, "assay.v1.BundleService/FetchLot"), request->lot());
  stream->Start();
  return stream;
}

grpc::ServerReadReactor<grpc::ByteBuffer>* BundleService::ReadBundle(
    grpc::CallbackServerContext* context, v1::SignBundleResponse* response) {
  auto* stream = new SignStream(bundler_, pool_, desk_, context, response);
  stream->Start();
  return stream;
}

}  // namespace assay::rpc
