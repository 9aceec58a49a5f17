// Names of methods that loading calls on an object itself or on what its attributes hold. An object's own attributes come
// before the methods of its class, so something to call that stands under one of them would be called in the method's place.
//
// Thread-safety: pure over constant tables.
#pragma once

#include <string_view>

#include "holdall/objects/globals.h"

namespace holdall {

// Whether an object of a row's class could be asked for this method.
bool is_method(const GlobalRow& row, std::string_view name) noexcept;

}  // namespace holdall
