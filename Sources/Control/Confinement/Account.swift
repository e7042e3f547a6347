internal import Glibc

/// A user of this host, and the group that goes with it (passwd(5)).
struct Account: Equatable, Sendable {
  let name: String
  let user: uid_t
  let group: gid_t

  static let root: uid_t = 0

  /// Those that a gateway runs as unless another is asked for: the first that exists. Where there are no
  /// accounts at all, as in a bare container, the last one's number serves.
  static let usualNames = ["guise", "nobody"]

  static func usual() -> Account {
    for name in usualNames { if let account = Account(name) { return account } }
    return Account(name: "65534", user: 65_534, group: 65_534)
  }

  /// `USER` or `USER:GROUP`, each by name or by number; nil where there is no such account. Without a group, a name
  /// has that of its entry, and a number the group of the same number.
  init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard
      let own = Self.named(parts[0])
        ?? Self.number(parts[0]).map({ Account(name: text, user: $0, group: $0) })
    else { return nil }
    guard parts.count == 2 else {
      self = own
      return
    }
    guard let group = Self.group(parts[1]) else { return nil }
    self.init(name: text, user: own.user, group: group)
  }

  init(name: String, user: uid_t, group: gid_t) {
    self.name = name
    self.user = user
    self.group = group
  }

  /// All ones mean "as it is" to the kernel (setresuid(2)).
  private static func number(_ text: String) -> UInt32? { UInt32(text).flatMap { $0 == .max ? nil : $0 } }

  private static func group(_ text: String) -> gid_t? {
    var entry = unsafe Glibc.group()
    var found: UnsafeMutablePointer<Glibc.group>?
    var texts = [CChar](repeating: 0, count: 65_536)
    guard unsafe getgrnam_r(text, &entry, &texts, texts.count, &found) == 0, unsafe found != nil else {
      return number(text)
    }
    return unsafe entry.gr_gid
  }

  private static func named(_ name: String) -> Account? {
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    var texts = [CChar](repeating: 0, count: 16_384)
    guard unsafe getpwnam_r(name, &entry, &texts, texts.count, &found) == 0, unsafe found != nil else {
      return nil
    }
    return unsafe Account(name: name, user: entry.pw_uid, group: entry.pw_gid)
  }
}
