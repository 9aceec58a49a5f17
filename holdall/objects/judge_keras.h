// Models of Keras and their parts within a pickle, as the bytes of a .keras file that the call which makes them loads, without
// Keras' safe mode:
//   getattr(Sequential, "_unpickle_model")(io.BytesIO(file))   Keras 3 (keras/src/saving/keras_saveable.py)
//   deserialize_model_from_bytecode(file)                      tf_keras (tf_keras/src/saving/pickle_utils.py)
// Such a call does what that file does, if its class and its function are used for nothing else.
//
// Thread-safety: pure. Ownership: findings refer to nothing.
#pragma once

#include "holdall/core/value.h"

namespace holdall {

// Whether a global stands where Keras has the classes of models and of their parts, or is tf_keras' function.
bool is_keras_model_class(Value global) noexcept;
bool is_keras_loader(Value global) noexcept;

// Whether a call of getattr names the function of such a class that loads a file.
bool names_keras_loader(Value object);

// Whether an object is what a call of either loader made.
bool is_keras_model(Value object);

// The value whose bytes the call of a loader is given as its file: bytes, or what _codecs.encode makes of a text. Empty where
// it is given anything else.
Value keras_file(Value model);

// Whether the classes and loaders that a program names stand where models are made and nowhere else, where they could be called
// with another file.
bool keeps_keras_loaders(const Arena& arena);

}  // namespace holdall
