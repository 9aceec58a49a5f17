class Files(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  def forward(self: __torch__.net.Files,
    x: Tensor) -> Tensor:
    torch.save(x, "/tmp/holdall-was-here")
    _0 = torch.from_file("/etc/hostname", False, 4)
    return torch.add(x, _0)
