import CSystem
import Dispatch
import Synchronization

/// Memory of models that are gone, on its way back to the system.
///
/// The allocator keeps what lies between things that live on, which after many models is most of
/// what they took: the account would say that it is free while nobody else could have it.
enum FreedMemory {
  private static let queue = DispatchQueue(label: "tinsmith.freed-memory", qos: .utility)
  private static let isScheduled = Atomic(false)

  /// Gives whole pages back that nothing lies in; soon, on a thread of its own, once for many calls.
  static func giveBack() {
    guard !isScheduled.exchange(true, ordering: .acquiringAndReleasing) else { return }
    queue.asyncAfter(deadline: .now() + .milliseconds(200)) {
      isScheduled.store(false, ordering: .releasing)
      system_trim_heap()
    }
  }
}
