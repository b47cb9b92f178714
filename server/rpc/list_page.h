// One page of a listing whose own tokens name its last row.
#pragma once

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "server/access/caller.h"
#include "server/rpc/page_token.h"

namespace assay::rpc {

// `list` goes on after a row by its name or number. Whoever lists holds a token of that, good for
// this caller and this query alone: PAGE_TOKEN_INVALID else.
template <class Request, class List>
auto ListPage(const PageTokens& tokens, const access::Caller& caller, Request request,
              const List& list) -> decltype(list(request)) {
  const uint32_t size = request.page_size();
  const std::string token = request.page_token();
  ASSAY_RETURN_IF_ERROR(CheckPageSize(size));
  request.clear_page_size();
  request.clear_page_token();
  const std::string query = absl::StrCat(Request::descriptor()->full_name(), "\n", caller.uri, "\n",
                                         request.SerializeAsString());
  auto after = tokens.ReadAfter(query, token);
  if (!after.ok()) return after.status();
  request.set_page_size(size);
  request.set_page_token(*std::move(after));
  auto page = list(request);
  if (page.ok() && !page->next_page_token().empty()) {
    page->set_next_page_token(tokens.MakeAfter(query, page->next_page_token()));
  }
  return page;
}

}  // namespace assay::rpc
