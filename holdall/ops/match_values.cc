#include "holdall/ops/match_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/io/parallel.h"

namespace holdall {
namespace {

constexpr std::size_t kSample = 256;
constexpr std::size_t kTile = 1u << 20;
// Of small tensors many are nearly parallel by chance: these are told by their names, or exactly.
constexpr std::size_t kFewest = 16;
// By how much of what is left to 1 the best must be nearer than the next.
constexpr double kMargin = 0.5;
// Multiplications for what is not the same exactly.
constexpr double kMostWork = 2e10;

using Sample = std::vector<double>;

// Places of a sample of `count` elements, rising; all of few.
std::vector<std::uint64_t> places(std::uint64_t count) {
  std::vector<std::uint64_t> result;
  const std::uint64_t size = std::min<std::uint64_t>(count, kSample);
  std::uint64_t state = 0x9e3779b97f4a7c15u;
  for (std::uint64_t i = 0; i < size; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t from = count / size * i + std::min(i, count % size);
    const std::uint64_t span = count / size + (i < count % size ? 1 : 0);
    result.push_back(from + (state >> 33) % span);
  }
  return result;
}

// A way to look at a tensor: where the elements of the sample lie in it.
struct Look {
  Shape from;  // the other side's shape; its own for A's
  Arrangement arrangement;
  std::vector<std::uint64_t> places;
};

// The values at the places of all looks, in one pass over the tensor.
Result<std::vector<Sample>> read_samples(const NamedTensor& entry, const std::vector<const Look*>& looks, Meter& meter) {
  HOLDALL_ASSIGN(const Tensor numbers, cast(entry.tensor, DType::kFloat64));
  struct Wanted {
    std::uint64_t place;
    std::size_t look, slot;
  };
  std::vector<Wanted> wanted;
  std::vector<Sample> samples(looks.size());
  for (std::size_t look = 0; look < looks.size(); ++look) {
    samples[look].resize(looks[look]->places.size());
    for (std::size_t slot = 0; slot < looks[look]->places.size(); ++slot)
      wanted.push_back({looks[look]->places[slot], look, slot});
  }
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& x, const Wanted& y) { return x.place < y.place; });
  std::size_t next = 0;
  HOLDALL_ASSIGN(const Blob data, numbers.data());
  HOLDALL_TRY(for_each_tile(data, kTile, [&](std::uint64_t offset, std::span<const std::byte> piece) {
    for (; next < wanted.size() && wanted[next].place * sizeof(double) < offset + piece.size(); ++next) {
      double& value = samples[wanted[next].look][wanted[next].slot];
      std::memcpy(&value, piece.data() + (wanted[next].place * sizeof(double) - offset), sizeof value);
      if (value == 0) value = 0;  // one zero for both signs
    }
    return Status();
  }));
  HOLDALL_TRY(meter.add(entry.tensor.bytes()));
  return samples;
}

bool is_constant(const Sample& sample) {
  return std::all_of(sample.begin(), sample.end(), [&](double value) { return value == sample.front(); });
}

// Scaled to the length 1; empty where it has none.
Sample direction(const Sample& sample) {
  double length = 0;
  for (const double value : sample) length += value * value;
  if (!std::isfinite(length) || length == 0) return {};
  Sample result = sample;
  for (double& value : result) value /= std::sqrt(length);
  return result;
}

double dot(const Sample& x, const Sample& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

struct Item {
  std::size_t index;
  std::vector<const Look*> looks;  // the group's
  std::vector<Sample> samples;     // of each
};

// Tensors of as many elements each.
struct Group {
  std::vector<Item> a, b;
  std::map<std::pair<Shape, Shape>, std::vector<Look>> looks;  // from A's shape to B's
};

std::map<std::uint64_t, Group> groups_of(std::span<const NamedTensor* const> a, std::span<const NamedTensor* const> b) {
  std::map<std::uint64_t, Group> groups;
  const auto put = [&](std::span<const NamedTensor* const> side, std::vector<Item> Group::* items) {
    for (std::size_t i = 0; i < side.size(); ++i) {
      const Tensor& tensor = side[i]->tensor;
      if (tensor.elements() > 1 && can_cast(tensor.dtype(), DType::kFloat64))
        (groups[tensor.elements()].*items).push_back({i, {}, {}});
    }
  };
  put(a, &Group::a);
  put(b, &Group::b);
  std::erase_if(groups, [](const auto& entry) { return entry.second.a.empty() || entry.second.b.empty(); });
  return groups;
}

// A's are looked at as they are; B's in every way that makes them one of A's shapes.
void plan_looks(Group& group, std::uint64_t count, std::span<const NamedTensor* const> a,
                std::span<const NamedTensor* const> b) {
  const std::vector<std::uint64_t> sample = places(count);
  std::set<Shape> a_shapes;
  for (Item& item : group.a) {
    const Shape& shape = a[item.index]->tensor.shape();
    a_shapes.insert(shape);
    auto [place, is_new] = group.looks.try_emplace({shape, {}});
    if (is_new) place->second.push_back({shape, {}, sample});
    item.looks.push_back(&place->second.front());
  }
  for (Item& item : group.b) {
    const Shape& to = b[item.index]->tensor.shape();
    for (const Shape& from : a_shapes) {
      auto [place, is_new] = group.looks.try_emplace({from, to});
      for (Arrangement& arrangement : is_new ? arrangements_between(from, to) : std::vector<Arrangement>()) {
        Look look{from, std::move(arrangement), {}};
        for (const std::uint64_t at : sample) look.places.push_back(arranged_index(from, look.arrangement, at));
        place->second.push_back(std::move(look));
      }
      for (const Look& look : place->second) item.looks.push_back(&look);
    }
  }
}

// What one has found so far among the others.
struct Best {
  std::size_t other = 0, look = 0;
  double cosine = -2, next = -2;  // of the best, and of the best of the others

  void offer(std::size_t candidate, std::size_t with_look, double value) {
    if (value > cosine) {
      if (candidate != other) next = cosine;
      other = candidate;
      look = with_look;
      cosine = value;
    } else if (candidate != other) {
      next = std::max(next, value);
    }
  }
  bool is_clear(double least) const { return cosine >= least && 1 - cosine <= kMargin * (1 - next); }
};

class Finder {
 public:
  Finder(const Group& group, std::span<const NamedTensor* const> a, double least)
      : group_(group), a_(a), least_(least), a_taken_(group.a.size()), b_taken_(group.b.size()) {}

  std::vector<ValueMatch> find() {
    find_same();
    const double work = static_cast<double>(group_.a.size()) * static_cast<double>(group_.b.size()) * kSample;
    if (group_.a.front().samples.front().size() >= kFewest && work < kMostWork) find_close();
    return std::move(found_);
  }

 private:
  const Shape& shape(std::size_t i) const { return a_[group_.a[i].index]->tensor.shape(); }
  bool fits(std::size_t i, const Look& look) const { return look.from == shape(i); }

  void take(std::size_t i, std::size_t j, std::size_t look, bool same, double cosine) {
    a_taken_[i] = b_taken_[j] = true;
    const bool constant = is_constant(group_.a[i].samples.front());
    found_.push_back({group_.a[i].index, group_.b[j].index, group_.b[j].looks[look]->arrangement, same, constant, cosine});
  }

  // Samples that are equal, where one of each side has them.
  void find_same() {
    struct Place {
      std::size_t index = 0, look = 0, count = 0;
    };
    const auto key = [](const Sample& sample, const Shape& from) {
      std::string text(reinterpret_cast<const char*>(sample.data()), sample.size() * sizeof(double));
      return text + to_string(from);
    };
    TextMap<Place> a_places, b_places;
    for (std::size_t i = 0; i < group_.a.size(); ++i) {
      if (is_constant(group_.a[i].samples.front())) continue;
      Place& place = a_places[key(group_.a[i].samples.front(), shape(i))];
      place = {i, 0, place.count + 1};
    }
    for (std::size_t j = 0; j < group_.b.size(); ++j) {
      for (std::size_t look = 0; look < group_.b[j].looks.size(); ++look) {
        const std::string text = key(group_.b[j].samples[look], group_.b[j].looks[look]->from);
        if (!a_places.contains(text)) continue;
        Place& place = b_places[text];
        if (place.count == 0) place = {j, look, 0};
        if (place.count == 0 || place.index != j) ++place.count;
      }
    }
    for (const auto& [text, b] : b_places) {
      const Place& a = a_places[text];
      if (a.count == 1 && b.count == 1 && !b_taken_[b.index]) take(a.index, b.index, b.look, true, 1);
    }
  }

  void find_close() {
    std::vector<Sample> directions;
    for (const Item& item : group_.a) {
      const Sample& sample = item.samples.front();
      directions.push_back(is_constant(sample) ? Sample() : direction(sample));
    }
    std::vector<Best> a_best(group_.a.size()), b_best(group_.b.size());
    for (std::size_t j = 0; j < group_.b.size(); ++j) {
      if (b_taken_[j]) continue;
      const Item& item = group_.b[j];
      for (std::size_t look = 0; look < item.looks.size(); ++look) {
        if (is_constant(item.samples[look])) continue;
        const Sample other = direction(item.samples[look]);
        for (std::size_t i = 0; i < group_.a.size() && !other.empty(); ++i) {
          if (a_taken_[i] || directions[i].empty() || !fits(i, *item.looks[look])) continue;
          const double cosine = dot(directions[i], other);
          a_best[i].offer(j, look, cosine);
          b_best[j].offer(i, look, cosine);
        }
      }
    }
    for (std::size_t i = 0; i < a_best.size(); ++i) {
      const Best& best = a_best[i];
      if (!best.is_clear(least_) || !b_best[best.other].is_clear(least_) || b_best[best.other].other != i) continue;
      take(i, best.other, best.look, false, best.cosine);
    }
  }

  const Group& group_;
  std::span<const NamedTensor* const> a_;
  const double least_;
  std::vector<bool> a_taken_, b_taken_;
  std::vector<ValueMatch> found_;
};

Status sample_all(std::map<std::uint64_t, Group>& groups, std::span<const NamedTensor* const> a,
                  std::span<const NamedTensor* const> b, Meter& meter) {
  std::vector<std::pair<Item*, const NamedTensor*>> work;
  for (auto& [count, group] : groups) {
    plan_looks(group, count, a, b);
    for (Item& item : group.a) work.emplace_back(&item, a[item.index]);
    for (Item& item : group.b) work.emplace_back(&item, b[item.index]);
  }
  std::stable_sort(work.begin(), work.end(),
                   [](const auto& x, const auto& y) { return x.second->tensor.bytes() > y.second->tensor.bytes(); });
  return parallel_for(work.size(), worker_count(), [&](std::uint64_t k) -> Status {
    const auto& [item, entry] = work[static_cast<std::size_t>(k)];
    Result<std::vector<Sample>> samples = read_samples(*entry, item->looks, meter);
    if (!samples) return std::move(samples).error().with(text("tensor '{}'", entry->name));
    item->samples = std::move(*samples);
    return {};
  });
}

}  // namespace

Result<std::vector<ValueMatch>> match_by_values(std::span<const NamedTensor* const> a, std::span<const NamedTensor* const> b,
                                                double least_cosine, Meter& meter) {
  std::map<std::uint64_t, Group> groups = groups_of(a, b);
  HOLDALL_TRY(sample_all(groups, a, b, meter));
  std::vector<ValueMatch> matches;
  for (const auto& [count, group] : groups) {
    std::vector<ValueMatch> found = Finder(group, a, least_cosine).find();
    std::move(found.begin(), found.end(), std::back_inserter(matches));
  }
  return matches;
}

}  // namespace holdall
