#include <memory>

#include "client/command/proposal_commands.h"
#include "client/command/tree.h"

namespace assay::client {
namespace {

void AddProposeLot(CLI::App& propose, const Choose& choose) {
  CLI::App* const lots = AddGroup(propose, "lot", "as `assay lot`");
  auto lot = std::make_shared<ProposeLotOptions>();
  CLI::App* app = AddLeaf(*lots, choose, "open", "open a lot of a product", &ProposeOpenLot, lot);
  app->add_option("name", lot->name)->required();
  app->add_option("--product", lot->product)->required();
  app->add_option("--factory", lot->factory, "(default: the profile's)");
  AddNumber(app, "-n,--count", lot->count, "identities that may ever be sealed")->required();
  AddNumber(app, "--retention-days", lot->retention_days,
            "how long sealed images wait (default 30)");
  app->add_flag("--dry-run", lot->dry_run, "check and show; record nothing");
  app = AddLeaf(*lots, choose, "raise", "raise a lot's count", &ProposeRaiseLot, lot);
  app->add_option("name", lot->name)->required();
  AddNumber(app, "-n,--count", lot->count, "the new total")->required();
  app->add_flag("--dry-run", lot->dry_run, "check and show; record nothing");
}

void AddProposeAuthority(CLI::App& propose, const Choose& choose) {
  CLI::App* const authority = AddGroup(propose, "authority", "as `assay authority`");
  CLI::App* const pais = AddGroup(*authority, "pai", "PAIs");
  auto pai = std::make_shared<ProposePaiOptions>();
  CLI::App* app = AddLeaf(*pais, choose, "activate", "let it sign", &ProposeActivatePai, pai);
  app->add_option("name", pai->name)->required();
  app->add_flag("--dry-run", pai->dry_run, "check and show; record nothing");
  CLI::App* const revoke = AddGroup(*authority, "revoke", "revoke for ever");
  auto options = std::make_shared<ProposeRevokeOptions>();
  for (const auto& [name, help, run] :
       {std::tuple("lot", "every device of a lot, and close it", &ProposeRevokeLot),
        std::tuple("pai", "a PAI, and with it all its devices", &ProposeRevokePai)}) {
    app = AddLeaf(*revoke, choose, name, help, run, options);
    app->add_option("name", options->name)->required();
    app->add_option("--reason", options->reason,
                    "key-compromise, authority-compromise, affiliation-changed, superseded, "
                    "cessation-of-operation or privilege-withdrawn")
        ->required();
    app->add_flag("--dry-run", options->dry_run, "check and show; record nothing");
  }
}

}  // namespace

void AddProposalCommands(CLI::App& root, const Choose& choose) {
  CLI::App* const group =
      AddGroup(root, "proposal", "acts that need two operators: propose, list, approve, reject");
  group->footer(
      "Examples:\n"
      "  assay proposal propose lot open L7 --product light -n 1000\n"
      "  assay proposal propose authority revoke lot L7 --reason key-compromise --dry-run\n"
      "  assay proposal list\n"
      "  assay proposal approve p-0123456789ab --dry-run\n"
      "Guarded, always in production: lot open, lot raise, authority pai activate,\n"
      "authority revoke lot, authority revoke pai. The ordinary commands record a proposal too.");
  CLI::App* const propose =
      AddGroup(*group, "propose", "typed as the ordinary command: propose lot open L ...");
  AddProposeLot(*propose, choose);
  AddProposeAuthority(*propose, choose);

  auto list = std::make_shared<ProposalOptions>();
  CLI::App* app =
      AddLeaf(*group, choose, "list", "proposals, the newest first", &ListProposals, list);
  app->add_flag("--all", list->all, "decided and expired ones too");
  app->add_option("--limit", list->limit, "rows (default 100)")
      ->check(CLI::Range(1, 1'000'000'000));

  auto one = std::make_shared<ProposalOptions>();
  app = AddLeaf(*group, choose, "show", "one proposal, with the request as it was made",
                &ShowProposal, one);
  app->add_option("proposal", one->id)->required();
  app = AddLeaf(*group, choose, "approve", "let it happen, as another operator than the proposer",
                &ApproveProposal, one);
  app->add_option("proposal", one->id)->required();
  app->add_flag("--dry-run", one->dry_run, "show what would happen; do nothing");
  app->add_flag("--yes", one->yes, "do not ask");
  app = AddLeaf(*group, choose, "reject", "it shall not happen; the proposer may withdraw so too",
                &RejectProposal, one);
  app->add_option("proposal", one->id)->required();
  app->add_option("--reason", one->note, "why, for the records");
}

}  // namespace assay::client
