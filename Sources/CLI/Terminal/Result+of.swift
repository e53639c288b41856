extension Result where Success: Sendable, Failure == any Error {
  /// The outcome of `body` as a value, for code that has to tidy up before it passes an error on.
  static func of(_ body: () async throws -> Success) async -> Self {
    do {
      return .success(try await body())
    } catch {
      return .failure(error)
    }
  }
}
