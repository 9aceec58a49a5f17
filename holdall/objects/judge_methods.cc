#include "holdall/objects/judge_methods.h"

#include <algorithm>
#include <iterator>

#include "holdall/base/among.h"

namespace holdall {
namespace {

// What __setstate__ and the like call, and what __repr__, __hash__, __eq__ and __len__ of the classes here do: a set asks for
// hashes, and a warning for a text.
constexpr std::string_view kMethods[] = {"add",
                                         "add_module",
                                         "append",
                                         "extend",
                                         "extra_repr",
                                         "forward",
                                         "get",
                                         "get_params",
                                         "items",
                                         "keys",
                                         "numel",
                                         "pop",
                                         "profile_hook_step",
                                         "register_buffer",
                                         "register_module",
                                         "register_parameter",
                                         "set_",
                                         "setdefault",
                                         "set_weight_bias",
                                         "setstate",
                                         "to_dense",
                                         "to_dict",
                                         "to_diff_dict",
                                         "to_json_string",
                                         "to_string",
                                         "tocsr",
                                         "todense",
                                         "update",
                                         "values",
                                         "_assign_modules_buffers",
                                         "_build_f",
                                         "_call_impl",
                                         "_ddp_init_helper",
                                         "_get_abs_string_index",
                                         "_get_item_by_idx",
                                         "_get_iterator",
                                         "_get_name",
                                         "_hash_impl",
                                         "_is_all_lists",
                                         "_key_to_attr",
                                         "_log_and_throw",
                                         "_lower_right",
                                         "_materialize",
                                         "_passing_sync_batchnorm_handle",
                                         "_post_setstate",
                                         "_serialize",
                                         "_upper_left",
                                         "_weight_bias",
                                         "_wrapped_call_impl"};
// The same by the beginnings of their names.
constexpr std::string_view kMethodBeginnings[] = {"_build_", "_compiled_call", "_get_param", "_patch_"};

// Further methods of torch.nn.Module, whose names other classes have for attributes.
constexpr std::string_view kOfModules[] = {"apply",
                                           "bfloat16",
                                           "buffers",
                                           "children",
                                           "compile",
                                           "cpu",
                                           "cuda",
                                           "double",
                                           "eval",
                                           "float",
                                           "get_buffer",
                                           "get_extra_state",
                                           "get_parameter",
                                           "get_submodule",
                                           "half",
                                           "load_state_dict",
                                           "modules",
                                           "named_buffers",
                                           "named_children",
                                           "named_modules",
                                           "named_parameters",
                                           "parameters",
                                           "requires_grad_",
                                           "set_extra_state",
                                           "set_submodule",
                                           "share_memory",
                                           "state_dict",
                                           "to",
                                           "to_empty",
                                           "train",
                                           "type",
                                           "zero_grad",
                                           "_apply",
                                           "_get_backward_hooks",
                                           "_get_backward_pre_hooks",
                                           "_load_from_state_dict",
                                           "_maybe_warn_non_full_backward_hook",
                                           "_named_members",
                                           "_replicate_for_data_parallel",
                                           "_save_to_state_dict",
                                           "_slow_forward"};

bool is_of_module(const GlobalRow& row) noexcept {
  return row.builder == Builder::kModule && (row.module.starts_with("torch.nn.") || row.module.starts_with("torch.ao.nn."));
}

}  // namespace

bool is_method(const GlobalRow& row, std::string_view name) noexcept {
  if (is_among(kMethods, name) || (is_of_module(row) && is_among(kOfModules, name))) return true;
  return std::any_of(std::begin(kMethodBeginnings), std::end(kMethodBeginnings),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

}  // namespace holdall
