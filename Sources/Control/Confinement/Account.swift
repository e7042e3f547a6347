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

  /// By name, or by number as `USER` or `USER:GROUP`; nil where there is no such account.
  init?(_ text: String) {
    if let account = Self.named(text) {
      self = account
      return
    }
    let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
    guard numbers.count <= 2, let user = numbers.first ?? nil, let group = numbers.last ?? nil,
      user != UInt32.max, group != UInt32.max
    else { return nil }
    self.init(name: text, user: user, group: group)
  }

  init(name: String, user: uid_t, group: gid_t) {
    self.name = name
    self.user = user
    self.group = group
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
