// A queue with a lane for each name: lanes take turns, and within a lane the order is kept.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace assay::issue {

// Not thread-safe.
template <typename Item>
class Lanes {
 public:
  void Push(const std::string& lane, Item item) {
    auto [at, fresh] = lanes_.try_emplace(lane);
    if (fresh) turns_.push_back(lane);
    at->second.push_back(std::move(item));
    ++size_;
  }
  // What Pop would give; the queue is not empty.
  const Item& Front() const { return lanes_.find(turns_.front())->second.front(); }
  // Of the lane whose turn it is; the queue is not empty.
  Item Pop() {
    const auto at = lanes_.find(turns_.front());
    Item item = std::move(at->second.front());
    at->second.pop_front();
    --size_;
    if (at->second.empty()) {
      lanes_.erase(at);
      turns_.pop_front();
    } else {
      turns_.splice(turns_.end(), turns_, turns_.begin());
    }
    return item;
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

 private:
  std::map<std::string, std::deque<Item>> lanes_;
  std::list<std::string> turns_;
  size_t size_ = 0;
};

}  // namespace assay::issue
