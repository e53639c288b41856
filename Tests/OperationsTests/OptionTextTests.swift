import Glibc
import Testing

@testable import Operations

/// Values of options, as people write them.
@Suite struct OptionTextTests {
  @Test(arguments: [
    ("1", 1), ("100000", 100_000), ("64K", 65_536), ("512M", 512 << 20), ("4G", 4 << 30),
    ("4g", 4 << 30), ("4GB", 4 << 30), ("4GiB", 4 << 30), ("1.5G", 3 << 29), ("2T", 2 << 40),
    ("7B", 7),
  ])
  func sizesAreRead(text: String, bytes: Int) {
    #expect(ByteCount(text)?.bytes == bytes)
  }

  @Test(arguments: [
    "", "0", "0.1", "-1", "G", "4X", "4 G", "1e9", "four", "1.2.3G", "nan", "inf", "4GG",
    "99999999T",
    "٤G",
  ])
  func otherTextIsNoSize(text: String) {
    #expect(ByteCount(text) == nil)
  }

  @Test(arguments: [
    "tcp://127.0.0.1:7410", "tcp://[::1]:1", "tcp://example.org:65535", "ipc:///tmp/x",
  ])
  func endpointsAreUsable(text: String) {
    #expect(EndpointText.problem(text, .listen) == nil)
    #expect(EndpointText.problem(text, .connect) == nil)
  }

  @Test(arguments: ["tcp://*:*", "tcp://127.0.0.1:0", "tcp://127.0.0.1:*"])
  func onlyListenersTakeAnyPort(text: String) {
    #expect(EndpointText.problem(text, .listen) == nil)
    #expect(EndpointText.problem(text, .connect) == "the port of \(text) is not 1 to 65535")
  }

  @Test(arguments: [
    ("", " is no endpoint like tcp://127.0.0.1:7410"),
    ("7410", "7410 is no endpoint like tcp://127.0.0.1:7410"),
    ("udp://127.0.0.1:1", "udp://127.0.0.1:1 is no endpoint like tcp://127.0.0.1:7410"),
    ("tcp://127.0.0.1", "tcp://127.0.0.1 has no port"),
    ("tcp://:7410", "tcp://:7410 has no port"),
    ("tcp://h:99999", "the port of tcp://h:99999 is not 1 to 65535"),
    ("tcp://h:-1", "the port of tcp://h:-1 is not 1 to 65535"),
    ("tcp://h:+1", "the port of tcp://h:+1 is not 1 to 65535"),
    ("tcp://h:", "the port of tcp://h: is not 1 to 65535"),
    ("tcp://h:99999999999999999999", "the port of tcp://h:99999999999999999999 is not 1 to 65535"),
    ("ipc://", "ipc:// has no path"),
  ])
  func unusableEndpointsAreRefusedInWords(text: String, problem: String) {
    #expect(EndpointText.problem(text, .listen) == problem)
  }

  @Test func pathsOfSocketsAreShort() {
    let longest = "ipc://" + String(repeating: "x", count: 107)
    #expect(EndpointText.problem(longest, .listen) == nil)
    #expect(EndpointText.problem(longest + "x", .listen)?.contains("107 bytes") == true)
  }

  @Test func anAgeIsNoCounter() {
    #expect(ServiceNumbers.isCounter("router.requests_total"))
    #expect(ServiceNumbers.isCounter("compute_busy_seconds"))
    #expect(!ServiceNumbers.isCounter("router.oldest_request_seconds"))
    #expect(!ServiceNumbers.isCounter("oldest_request_seconds"))
  }
}
