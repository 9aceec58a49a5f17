// The border: LibTorch reports by exceptions, Holdall by results; none of the former passes it.
//
// Thread-safety: pure. Ownership: errors own their texts.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "holdall/base/result.h"

namespace holdall::libtorch::detail {

// What `work` returns, a Result or a Status; what it throws becomes the error: out of memory, else invalid argument for what
// LibTorch refuses.
template <class Work>
auto guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "out of memory");
  } catch (const c10::OutOfMemoryError& error) {
    return Error(Code::kOutOfMemory, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return invalid_argument(std::string("LibTorch: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return invalid_argument(std::string("LibTorch: ") + error.what());
  }
}

}  // namespace holdall::libtorch::detail
