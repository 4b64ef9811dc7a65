package bora.runtime.machine;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * Functions in machine code that this process assembles for itself. They take the address of their
 * parameters and up to three arrays, read and write what these say, and need no stack.
 *
 * <p>A call costs nanoseconds and holds back the garbage collector while it runs: one call should
 * end within a millisecond.
 */
public final class MachineCode {
  /**
   * {@code off} leaves it unused; {@code required} says that this virtual machine was started for
   * it and compiles other kernels badly.
   */
  public static final String PROPERTY = "bora.machineCode";

  private static final String REQUIRED = "required";

  private static final long RESERVED_BYTES = 2 << 20;

  /** Decided once, at the first use. */
  private static final Support SUPPORT = probe();

  /** The means to run machine code, or why there are none. */
  private sealed interface Support {
    record Available(ExecutableMemory memory) implements Support {}

    record Refused(String reason) implements Support {}
  }

  /**
   * A constant, so that the compiler calls machine code directly and the segments that it is given
   * need not become objects. Null where no machine code runs.
   */
  private static final MethodHandle CALL =
      SUPPORT instanceof Support.Available
          ? downcall(ValueLayout.ADDRESS, ValueLayout.ADDRESS)
          : null;

  /** The same with one array: each takes its time. */
  private static final MethodHandle CALL_WITH_ONE =
      SUPPORT instanceof Support.Available ? downcall() : null;

  final MemorySegment address;

  private MachineCode(MemorySegment address) {
    this.address = address;
  }

  /** Why no machine code runs in this process, or nothing. */
  public static Optional<String> unsupportedReason() {
    return switch (SUPPORT) {
      case Support.Refused refused -> Optional.of(refused.reason);
      case Support.Available _ -> Optional.empty();
    };
  }

  /** Whether there is to be no computing without; see {@link #PROPERTY}. */
  public static boolean isRequired() {
    return REQUIRED.equals(System.getProperty(PROPERTY));
  }

  /**
   * Makes a function of assembled code. It is called as {@code int function(void* parameters, void*
   * a, void* b, void* c)}, must keep the stack as it is and leave 0 in {@code eax}.
   *
   * @throws UnsupportedOperationException when no machine code runs in this process
   */
  public static MachineCode of(Assembler assembler) {
    return switch (SUPPORT) {
      case Support.Available available ->
          new MachineCode(available.memory.publish(assembler.toBytes()));
      case Support.Refused refused ->
          throw new UnsupportedOperationException("no machine code: " + refused.reason);
    };
  }

  /** Runs it with one array; the two others may be anything. */
  public void run(MemorySegment parameters, MemorySegment array) {
    int status;
    try {
      status = (int) CALL_WITH_ONE.invokeExact(address, parameters, array);
    } catch (Throwable t) {
      throw new IllegalStateException("machine code throws nothing", t);
    }
    check(status);
  }

  /**
   * Runs it.
   *
   * @param parameters, and the arrays: on the heap or not
   * @throws InternalError as the virtual machine's own, when mapped memory could not be read
   */
  public void run(MemorySegment parameters, MemorySegment a, MemorySegment b, MemorySegment c) {
    int status;
    try {
      status = (int) CALL.invokeExact(address, parameters, a, b, c);
    } catch (Throwable t) {
      throw new IllegalStateException("machine code throws nothing", t);
    }
    check(status);
  }

  private static void check(int status) {
    if (status == FaultExit.FAULT) {
      throw new InternalError("a fault occurred in an unsafe memory access operation");
    }
  }

  private static Support probe() {
    String setting = System.getProperty(PROPERTY, "on");
    switch (setting) {
      case "on", REQUIRED -> {}
      case "off" -> {
        return new Support.Refused("switched off by " + PROPERTY + "=off");
      }
      default -> {
        return new Support.Refused(PROPERTY + ": expected on, off or required, found " + setting);
      }
    }
    Optional<String> reason = Processor.unsupportedReason();
    if (reason.isPresent()) {
      return new Support.Refused(reason.get());
    }
    try {
      SystemCalls calls = SystemCalls.shared();
      ExecutableMemory memory = ExecutableMemory.reserve(calls, RESERVED_BYTES);
      FaultExit.install(calls, memory);
      return new Support.Available(memory);
    } catch (UnsupportedOperationException | NoSuchElementException | IllegalCallerException e) {
      return new Support.Refused(e.getMessage());
    }
  }

  @SuppressWarnings("restricted")
  private static MethodHandle downcall(AddressLayout... more) {
    FunctionDescriptor function =
        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS)
            .appendArgumentLayouts(more);
    return Linker.nativeLinker().downcallHandle(function, Linker.Option.critical(true));
  }
}
