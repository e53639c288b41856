internal import CProto

/// `Futures.Await`; the header names the key and the body is empty.
package struct AwaitFutureRequest: Sendable, Equatable {
  /// The request.
  package init() {}
}

extension AwaitFutureRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__AwaitFutureRequest>?) {
    tinsmith__v1__await_future_request__init(c)
  }

  init(_ c: Tinsmith__V1__AwaitFutureRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__AwaitFutureRequest, _ writer: Writer) {}
}

/// `Futures.Cancel`; the header names the key.
package struct CancelFutureRequest: Sendable, Equatable {
  /// The request.
  package init() {}
}

extension CancelFutureRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CancelFutureRequest>?) {
    tinsmith__v1__cancel_future_request__init(c)
  }

  init(_ c: Tinsmith__V1__CancelFutureRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__CancelFutureRequest, _ writer: Writer) {}
}

/// Answer of `Futures.Cancel`.
package struct CancelFutureResponse: Sendable, Equatable {
  /// False if the request had started or ended.
  package var isCancelled: Bool

  /// An answer.
  package init(isCancelled: Bool) { self.isCancelled = isCancelled }
}

extension CancelFutureResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CancelFutureResponse>?) {
    tinsmith__v1__cancel_future_response__init(c)
  }

  init(_ c: Tinsmith__V1__CancelFutureResponse, _ reader: Reader) throws(WireError) {
    isCancelled = c.cancelled != 0
  }

  func fill(_ c: inout Tinsmith__V1__CancelFutureResponse, _ writer: Writer) {
    c.cancelled = isCancelled ? 1 : 0
  }
}
