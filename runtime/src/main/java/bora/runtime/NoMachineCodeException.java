package bora.runtime;

import bora.runtime.machine.MachineCode;

/**
 * Machine code cannot run, in a virtual machine that was started for it ({@code
 * -Dbora.machineCode=required}): what its compiler would make of other kernels is no use.
 */
public final class NoMachineCodeException extends RuntimeException {
  private static final long serialVersionUID = 1;

  NoMachineCodeException(String reason) {
    super(
        "no machine code runs here: "
            + reason
            + "; -D"
            + MachineCode.PROPERTY
            + "=off in BORA_JAVA_OPTS computes without");
  }
}
