/**
 * A model as an OCI artifact by the CNCF ModelPack specification: the layout on disk, and its way
 * to and from a registry by the OCI distribution protocol, over the JDK's HTTP client. Digests
 * follow from the files alone.
 *
 * <p>Start with {@link bora.converter.oci.ModelPackLayout}.
 */
package bora.converter.oci;
