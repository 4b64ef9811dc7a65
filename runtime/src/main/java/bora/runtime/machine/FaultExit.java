package bora.runtime.machine;

import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What happens when machine code reads bytes of a mapped file that are gone: the kernel sends
 * SIGBUS. The virtual machine expects that signal from code of its own only, and ends the process.
 * So a handler stands before the virtual machine's: where the signal comes from our range of code,
 * the function that was running returns {@link #FAULT} in place of its result; any other signal
 * goes on to the handler that was there.
 *
 * <p>This is sound because our functions have no frame: the stack pointer is, wherever they are,
 * where it was when they were called, they keep no state and change none that a caller relies on.
 */
final class FaultExit {
  /** What a function returns whose reads failed. */
  static final int FAULT = 1;

  private static final int SIGBUS = 7;

  // struct sigaction of glibc and musl on x86-64: handler, mask of 1024 bits, flags, restorer.
  private static final long SIGACTION_BYTES = 152;
  private static final long SIGACTION_HANDLER = 0;
  private static final long SIGACTION_FLAGS = 136;
  private static final int SA_SIGINFO = 4;

  /** Where a ucontext, the handler's third argument, has the interrupted instruction's address. */
  private static final int UCONTEXT_RIP = 168;

  private FaultExit() {}

  /**
   * Installs the handler, for as long as the process lives.
   *
   * @throws UnsupportedOperationException when there is no handler to go on to, or the system
   *     refuses
   */
  static void install(SystemCalls calls, ExecutableMemory memory) {
    MemorySegment sigaction = calls.find("sigaction");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment action = arena.allocate(SIGACTION_BYTES, Long.BYTES);
      check(calls.call(sigaction, SIGBUS, 0, action.address()));
      long previous = action.get(ValueLayout.JAVA_LONG, SIGACTION_HANDLER);
      if ((action.get(ValueLayout.JAVA_INT, SIGACTION_FLAGS) & SA_SIGINFO) == 0) {
        throw new UnsupportedOperationException(
            "the virtual machine has no handler for failed reads of mapped files");
      }
      long exit = memory.publish(exit()).address();
      long handler = memory.publish(handler(memory, exit, previous)).address();
      action.set(ValueLayout.JAVA_LONG, SIGACTION_HANDLER, handler);
      check(calls.call(sigaction, SIGBUS, action.address(), 0));
    }
  }

  private static void check(long result) {
    if ((int) result != 0) {
      throw new UnsupportedOperationException("the system refuses a handler for SIGBUS");
    }
  }

  private static byte[] exit() {
    Assembler a = new Assembler();
    a.vzeroupper();
    a.mov(RAX, (long) FAULT);
    a.ret();
    return a.toBytes();
  }

  /** {@code void handler(int signal, siginfo_t* info, ucontext_t* context)}. */
  private static byte[] handler(ExecutableMemory memory, long exit, long previous) {
    Assembler a = new Assembler();
    Label notOurs = new Label();
    a.mov(RAX, Address.of(RDX, UCONTEXT_RIP));
    a.mov(RCX, memory.address());
    a.sub(RAX, RCX);
    a.mov(RCX, memory.byteSize());
    a.cmp(RAX, RCX);
    a.jae(notOurs);
    a.mov(RAX, exit);
    a.mov(Address.of(RDX, UCONTEXT_RIP), RAX);
    a.ret();
    a.bind(notOurs);
    a.mov(RAX, previous);
    a.jmp(RAX);
    return a.toBytes();
  }
}
