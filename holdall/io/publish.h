// Publication: a file or a folder prepared beside its place and put there in one step. A crash at any moment leaves the old
// or the new, never a mixture.
//
// File: written as ".NAME.holdall-PID-HOST-BOOT-RANDOM.tmp" in the same folder, synced, renamed, the folder synced.
// Folder: built as such a sibling, every file and folder in it synced, then exchanged with the old one (RENAME_EXCHANGE) or
// renamed where there is none; where the file system cannot exchange, the old one is first moved aside to "….old", which the
// next writer moves back if it finds nothing at the place. Temporaries of dead processes are swept by the next writer of the
// same place. A link at the path stays: what it leads to is replaced. A replaced file hands down its permissions.
// Thread-safety: one thread. Ownership: owns the temporary; the destructor removes what was not committed.
#pragma once

#include <string>

#include "holdall/io/system.h"

namespace holdall {

class Publication {
 public:
  enum class Kind : std::uint8_t { kFile, kFolder };
  struct Options {
    bool durable = true;
    bool replace = true;
  };

  // Errors: already exists (without replace; or a folder stands where a file is to be, or the reverse, or neither), not found
  // (no such parent folder), denied, io. They name the path, never the temporary.
  static Result<Publication> begin(System& system, const std::string& path, Kind kind, const Options& options);
  ~Publication();
  Publication(Publication&&) noexcept;
  Publication& operator=(Publication&&) = delete;

  // Where to write: the temporary file (not created yet) or folder (created).
  const std::string& place() const noexcept { return temporary_; }
  // Whether something stood at the path when this began.
  bool replaces() const noexcept { return exists_; }
  // Takes away the file that commit() would replace, so that nothing is at the path until then; on disk where durable.
  Status take_away();
  // Makes it what is at the path. The files must be synced already when durable; the folders are synced here. After an error
  // the old is at the path, or, when only the last sync of the parent folder failed, the new, which a crash may still undo.
  Status commit();

 private:
  Publication(System& system, std::string path, Kind kind, const Options& options);
  Status sync_folder(const std::string& path);
  Status sync_folders_within();
  Status commit_over_folder();
  Status move_aside_and_in();

  System* system_;
  std::string path_;    // where it will be, links followed
  std::string parent_;  // the folder of path_
  std::string temporary_;
  Kind kind_;
  Options options_;
  bool exists_ = false;  // something to replace stood at the path when this began
  bool armed_ = false;
};

// A path beside `path`, links followed, for what a caller prepares there itself and removes: the next writer of `path` sweeps
// what stands at it once this process is gone. Errors: those of following links.
Result<std::string> temporary_beside(System& system, const std::string& path);

// Syncs the folder that a path is in.
Status sync_parent(System& system, const std::string& path);

// Removes a file, or a folder and all in it. Goes on after a failure and returns the first one.
Status remove_tree(System& system, const std::string& path);

// Removes what dead writers of `path` left beside it, and puts back an old folder that one of them had moved aside. Failures
// are ignored: the next writer tries again.
void sweep(System& system, const std::string& path);

// The same for whatever any dead writer left in a folder, of names that nobody may write again. `dead`: an owner known to be
// gone although its number may be another process's, or this one's, by now; empty: none.
void sweep_folder(System& system, const std::string& folder, const std::string& dead = {});

// Removes a file or a folder in one step: a crash leaves all of it or nothing. A file's removal is not
// synced.
Status remove_at_once(System& system, const std::string& path);

}  // namespace holdall
