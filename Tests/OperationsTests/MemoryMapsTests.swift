import Glibc
import Testing

@testable import Operations

@Suite struct MemoryMapsTests {
  private static let text = """
    55d0c8a00000-55d0c8a02000 r--p 00000000 fe:00 131090                     /usr/bin/a b
    Size:                  8 kB
    Rss:                   8 kB
    Pss:                   2 kB
    Pss_Dirty:             0 kB
    Private_Clean:         0 kB
    Private_Dirty:         4 kB
    VmFlags: rd mr mw me
    55d0c8a02000-55d0c8a06000 r-xp 00002000 fe:00 131090                     /usr/bin/a b
    Rss:                  16 kB
    Pss:                   4 kB
    Private_Clean:         1 kB
    55d0c9000000-55d0c9021000 rw-p 00000000 00:00 0                          [heap]
    Rss:                 100 kB
    Pss:                 100 kB
    Private_Dirty:       100 kB
    7f0000000000-7f0000001000 rw-p 00000000 00:00 0
    Rss:                  10 kB
    Pss:                  10 kB
    Private_Dirty:        10 kB
    """

  @Test func mappingsOfAFileAreSummed() {
    let maps = MemoryMaps(Self.text)
    #expect(maps.files.count == 2)
    #expect(
      maps.files["/usr/bin/a b"]
        == MemoryMaps.Usage(resident: 24 << 10, proportional: 6 << 10, owned: 5 << 10))
    #expect(
      maps.files[""]
        == MemoryMaps.Usage(resident: 110 << 10, proportional: 110 << 10, owned: 110 << 10))
    #expect(maps.total().owned == 115 << 10)
    #expect(maps.total { $0.hasSuffix(" b") }.resident == 24 << 10)
  }

  @Test func thisProcessHasMemory() throws {
    let maps = try MemoryMaps(of: getpid())
    #expect(maps.files.keys.contains { $0.contains("libc.so") })
    #expect(maps.total { $0.isEmpty }.owned > 0)
    #expect(maps.total().resident >= maps.total().proportional)
  }
}
