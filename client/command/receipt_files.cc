#include "client/command/receipt_files.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/device_folder.h"
#include "client/files.h"

namespace assay::client {

absl::Status WriteReceipts(Context& context, const v1::GetReceiptsResponse& receipts,
                           const std::string& folder) {
  ASSAY_RETURN_IF_ERROR(CheckFileName(receipts.device_id()));
  if (!folder.empty()) ASSAY_RETURN_IF_ERROR(MakeFolder(folder));
  int number = 0;
  for (const v1::LedgerReceipt& receipt : receipts.receipts()) {
    const std::string name =
        ++number == 1 ? receipts.device_id() : absl::StrCat(receipts.device_id(), "-", number);
    const std::string file = PathBelow(folder.empty() ? "." : folder, name + ".tlog-proof");
    ASSAY_RETURN_IF_ERROR(ReplaceFile(file, AsBytes(receipt.text()), kPublicFile));
    context.Print(file + "\n");
  }
  return absl::OkStatus();
}

}  // namespace assay::client
