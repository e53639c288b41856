import Testing

@testable import Operations

@Suite struct TopScreenTests {
  @Test func aServiceWithoutWorkersIsALine() {
    let screen = TopScreen(
      ["router.requests_total": 10, "router.workers": 0], rates: ["router.requests_total": 2.5])
    #expect(screen.lines == ["requests/s 2.5  workers 0"])
  }

  @Test func theOldestRequestIsShown() {
    let screen = TopScreen(
      ["router.oldest_request_seconds": 42.25, "router.in_flight": 3, "router.held": 0], rates: [:])
    #expect(screen.lines == ["in flight 3  oldest request 42.2 s  held 0"])
  }

  @Test func workersHaveARowEach() {
    let screen = TopScreen(
      [
        "worker.worker-10.models": 3, "worker.worker-2.models": 12,
        "worker.worker-2.sampled_tokens_total": 1e6, "worker.worker-2.memory_bytes": 0x3p30,
        "worker.worker-2.compute_busy_seconds": 100,
      ],
      rates: [
        "worker.worker-2.sampled_tokens_total": 12345.6,
        "worker.worker-2.compute_busy_seconds": 0.987,
      ])
    #expect(
      screen.lines.dropFirst() == [
        "",
        "WORKER     MODELS  BUSY  SAMPLE/S  SET ASIDE",
        "worker-2       12  99 %     12.3k    3.0 GiB",
        "worker-10       3     -         -          -",
      ])
  }

  @Test func whatHasNoColumnIsShownBelow() {
    let screen = TopScreen(
      [
        "worker.w.models": 1, "worker.w.kv_pages": 7, "worker.w.new_things_total": 5,
        "tenant.t.waiting": 2,
      ],
      rates: ["worker.w.new_things_total": 1])
    #expect(
      screen.lines.dropFirst() == [
        "", "WORKER  MODELS", "w            1", "", "TENANT  WAITING", "t             2",
        "", "              w", "kv pages      7", "new things/s  1",
      ])
  }

  @Test func whatHasNoPlaceInTheLineIsShownBelow() {
    let screen = TopScreen(
      [
        "router.workers": 1, "router.sending_bytes": 2048,
        "router.connections_closed_idle_total": 3,
        "worker.w.models": 1,
      ],
      rates: ["router.connections_closed_idle_total": 0.5])
    #expect(
      screen.lines == [
        "workers 1", "", "WORKER  MODELS", "w            1", "",
        "                            router", "connections closed idle/s      0.5",
        "sending bytes              2.0 KiB",
      ])
  }

  @Test func unknownGroupsHaveTables() {
    let screen = TopScreen(["shelf.top.books": 2, "shelf.top.dust_bytes": 2048], rates: [:])
    #expect(
      screen.lines.dropFirst() == ["", "SHELF  BOOKS  DUST BYTES", "top        2     2.0 KiB"])
  }

  @Test(arguments: [
    (0.0, "0"), (7, "7"), (99_999, "99999"), (0.25, "0.2"), (1234.5, "1234"), (12_345.6, "12.3k"),
    (100_000, "100.0k"), (4_500_000, "4.5M"), (2e9, "2.0G"),
  ])
  func countsAreShort(value: Double, text: String) {
    #expect(NumberText.count(value) == text)
  }

  @Test(arguments: [(0.0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (0x3p20, "3.0 MiB")])
  func bytesHaveUnits(value: Double, text: String) {
    #expect(NumberText.bytes(value) == text)
  }
}
