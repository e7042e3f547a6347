internal import Glibc

/// Whom a file belongs to.
struct FileOwner: Equatable, Sendable {
  let user: uid_t
  let group: gid_t

  init(user: uid_t, group: gid_t) {
    self.user = user
    self.group = group
  }

  /// nil when the path names no directory; a symbolic link to one is none.
  init?(ofDirectory path: String) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
    self.init(user: status.st_uid, group: status.st_gid)
  }
}
