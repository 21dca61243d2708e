package id.sallyport.javaclient;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.unboundid.scim2.client.ScimService;
import com.unboundid.scim2.common.exceptions.ScimException;
import com.unboundid.scim2.common.messages.ListResponse;
import com.unboundid.scim2.common.types.Name;
import com.unboundid.scim2.common.types.UserResource;
import com.unboundid.scim2.common.GenericScimResource;
import com.unboundid.scim2.extension.messages.contactvalidation.EmailValidationRequest;
import com.unboundid.scim2.extension.messages.contactvalidation.TelephonyValidationRequest;
import com.unboundid.scim2.extension.messages.pwdmgmt.TOTPSecretRegistrationRequest;
import java.net.URI;
import java.nio.ByteBuffer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.ws.rs.client.Client;
import javax.ws.rs.client.ClientBuilder;
import javax.ws.rs.client.ClientRequestFilter;
import org.glassfish.jersey.apache.connector.ApacheConnectorProvider;
import org.glassfish.jersey.client.ClientConfig;

/**
 * Enrols an e-mail address, a telephone number and an authenticator app with
 * the unmodified client, as an account application does. Arguments: base URL,
 * bearer token, user id, URL of the development inbox. Exits non-zero with the
 * step that failed.
 */
public final class Drive {
  private static final ObjectMapper JSON = new ObjectMapper();
  private final ScimService scim;
  private final Client http = ClientBuilder.newClient();
  private final String user;
  private final String inbox;

  private Drive(String base, String token, String user, String inbox) {
    Client client = ClientBuilder.newClient(new ClientConfig().connectorProvider(new ApacheConnectorProvider()))
        .register((ClientRequestFilter) c -> c.getHeaders().putSingle("Authorization", "Bearer " + token));
    this.scim = new ScimService(client.target(URI.create(base)));
    this.user = user;
    this.inbox = inbox;
  }

  public static void main(String[] args) throws Exception {
    Drive drive = new Drive(args[0], args[1], args[2], args[3]);
    drive.directory();
    drive.email();
    drive.phone("Twilio SMS Provider");
    drive.totp();
    drive.enable();
    drive.refusals();
    System.out.println("java client: passed");
  }

  private String resource(String name) {
    return "Users/" + user + "/" + name;
  }

  /** The newest code sent to a destination. */
  private String code(String to) throws Exception {
    JsonNode page = JSON.readTree(http.target(inbox).request().get(String.class));
    for (JsonNode recipient : page.get("recipients")) {
      if (recipient.get("to").asText().equals(to)) {
        for (JsonNode message : recipient.get("messages")) {
          if (message.has("code")) { // a notice has none
            return message.get("code").asText();
          }
        }
      }
    }
    throw new IllegalStateException("no message to " + to + " in " + page);
  }

  private static void check(boolean holds, String what) {
    if (!holds) {
      throw new IllegalStateException(what);
    }
  }

  private void directory() throws ScimException {
    UserResource made = new UserResource().setUserName("java-client").setName(new Name().setGivenName("Java").setFamilyName("Client"));
    made = scim.create("Users", made);
    check(made.getId() != null && "java-client".equals(made.getUserName()), "create a user");
    made = scim.modifyRequest(made).replaceValue("displayName", "Java Client").invoke(UserResource.class);
    check("Java Client".equals(made.getDisplayName()), "modify a user");
    made.setNickName("JC");
    made = scim.replace(made);
    check("JC".equals(made.getNickName()), "replace a user");
    ListResponse<UserResource> found = scim.searchRequest("Users").filter("userName eq \"java-client\"").invoke(UserResource.class);
    check(found.getTotalResults() == 1, "search users");
    scim.delete(made);
  }

  private void email() throws Exception {
    EmailValidationRequest request = new EmailValidationRequest("secondFactorEmail");
    request.setAttributeValue("dr.veil@sainteanne.com");
    request = scim.create(resource("validatedEmailAddresses"), request);
    check(request.getCodeSent() && !request.getValidated(), "an e-mail code is sent");
    request.setVerifyCode(code("dr.veil@sainteanne.com"));
    request = scim.replace(request);
    check(request.getValidated() && request.getValidatedAt() != null, "the e-mail address is validated");
    ListResponse<EmailValidationRequest> list = scim.searchRequest(resource("validatedEmailAddresses"))
        .filter("attributePath eq \"secondFactorEmail\"").invoke(EmailValidationRequest.class);
    check(list.getTotalResults() == 1 && list.getResources().get(0).getValidated(), "the list says validated");
  }

  private void phone(String provider) throws Exception {
    TelephonyValidationRequest request = new TelephonyValidationRequest("secondFactorPhoneNumber");
    request.setAttributeValue("+15125550100");
    request.setLanguage("en-US");
    request.setMessagingProvider(provider);
    request = scim.create(resource("validatedPhoneNumbers"), request);
    check(request.getCodeSent(), "a telephone code is sent");
    request.setVerifyCode(code("+15125550100"));
    request = scim.replace(request);
    check(request.getValidated(), "the telephone number is validated");
  }

  private void totp() throws Exception {
    TOTPSecretRegistrationRequest request = scim.create(resource("totpSharedSecret"), new TOTPSecretRegistrationRequest());
    check(request.getOtpAuthUri() != null && request.getVerifyState() != null, "a secret is made");
    request.setVerifyTotp(code(base32(request.getSharedSecret()), System.currentTimeMillis() / 30_000));
    request = scim.replaceRequest(request).invoke(TOTPSecretRegistrationRequest.class);
    check(request.getRegistered() && request.getSharedSecret() == null, "the authenticator app is registered");
  }

  private void enable() throws ScimException {
    GenericScimResource reply = scim.modifyRequest("Users", user).replaceValue("secondFactorEnabled", true).invoke(GenericScimResource.class);
    check(reply.getObjectNode().toString().contains("\"secondFactorEnabled\":true"), "the second factor is enabled");
  }

  /** The client must be able to read the errors. */
  private void refusals() throws Exception {
    EmailValidationRequest request = new EmailValidationRequest("secondFactorEmail");
    request.setAttributeValue("other@sainteanne.com");
    request = scim.create(resource("validatedEmailAddresses"), request);
    request.setVerifyCode("0");
    try {
      scim.replace(request);
      throw new IllegalStateException("a wrong code is refused");
    } catch (ScimException e) {
      check("The verification code is incorrect.".equals(e.getScimError().getDetail()), "the error has its detail: " + e.getScimError().getDetail());
    }
  }

  private static byte[] base32(String text) {
    String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    ByteBuffer out = ByteBuffer.allocate(text.length() * 5 / 8);
    int bits = 0;
    int value = 0;
    for (char c : text.toCharArray()) {
      value = (value << 5) | alphabet.indexOf(c);
      bits += 5;
      if (bits >= 8) {
        bits -= 8;
        out.put((byte) (value >> bits));
        value &= (1 << bits) - 1;
      }
    }
    return out.array();
  }

  /** RFC 6238 with SHA-1 and six digits. */
  private static String code(byte[] secret, long step) throws Exception {
    Mac mac = Mac.getInstance("HmacSHA1");
    mac.init(new SecretKeySpec(secret, "HmacSHA1"));
    byte[] hash = mac.doFinal(ByteBuffer.allocate(8).putLong(step).array());
    int offset = hash[hash.length - 1] & 15;
    int number = ByteBuffer.wrap(hash, offset, 4).getInt() & 0x7fffffff;
    return String.format("%06d", number % 1_000_000);
  }
}
