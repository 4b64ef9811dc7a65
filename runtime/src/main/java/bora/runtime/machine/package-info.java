/**
 * Machine code that the process assembles for itself, where the compiler of the virtual machine has
 * no way to the instructions: an assembler, memory for code, calls through the foreign function
 * interface. Knows nothing of what is computed.
 *
 * <p>Start with {@link bora.runtime.machine.MachineCode}. Not exported.
 */
package bora.runtime.machine;
